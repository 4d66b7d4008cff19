package agent

func victimMain() error { return nil }
