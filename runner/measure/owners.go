package measure

// ofOwners measures for how long two nodes held what one may, and for how long
// none did: owner.overlap, owner.gap.
func (a *analysis) ofOwners(name string) (quantity, bool) {
	q := quantity{unit: "s", tolerance: a.noise.Seconds()}
	if o := a.evidence.Owners; o != nil {
		q.ok, q.samples = true, o.Claims
		switch name {
		case "owner.overlap":
			q.value = o.Overlap
		case "owner.gap":
			q.value = o.Gap
		}
	}
	q.missing = "no node was seen to believe that it is the owner, in a scenario that promises a single one"
	return q, name == "owner.overlap" || name == "owner.gap"
}
