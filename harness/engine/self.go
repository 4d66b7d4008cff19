package engine

type selfCache struct{}
