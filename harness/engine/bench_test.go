package engine

import "testing"

// The figures that a drill pays before anything of its own happens.
func BenchmarkConnect(b *testing.B) {
	for b.Loop() {
		engine, err := Connect(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := engine.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSetupWithNothingToDo(b *testing.B) {
	for b.Loop() {
		if err := Setup(b.Context(), SetupOptions{}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
