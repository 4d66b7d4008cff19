package reports

func (c *Scorecard) grade() {}
