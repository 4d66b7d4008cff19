// Package reports turns runs into what people and machines read. It touches
// no container and no clock: everything comes from record.Log and
// record.Result, so an old run folder can be reported again at any time.
//
//	run folder                      folder of runs
//	├── run.log   (the runner's)    ├── <run>/ ...
//	├── run.json  the result        ├── index.html      scorecard
//	├── film.json the drawn data    ├── scorecard.json  (schema: scorecard.schema.json)
//	├── junit.xml                   ├── junit.xml       all runs
//	├── index.html                  ├── summary.md      for a CI step summary
//	├── nodes/<name>.log            ├── metrics.txt     OpenMetrics
//	└── ...                         ├── badge.svg
//	                                └── plots/*.svg, *.png
//
// # The page
//
// A page is one file: no script, font or picture comes from elsewhere, so it
// opens from a mail attachment or an artefact store years later. Plots are
// SVG made here (package draw) from a few hundred bins a run (package film):
// they are readable without scripts, print well and cost a few kilobytes;
// a charting library would cost more than sixty films. The little script that
// a page carries only adds comfort (a reading line over the film, opening
// every drill for print); nothing is hidden from a reader without it.
//
// Everything that came out of a run is hostile until proven otherwise: log
// lines, node names and error texts go through html/template and through
// draw's escaping, and never into scripts.
//
// # Writing
//
// Each file is written beside its place and renamed over it, so a reader or a
// crash never sees half a report.
package reports
