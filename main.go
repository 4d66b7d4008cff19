// Command hadrill runs failover drills against real systems and says, with
// evidence, whether they keep their promises. `hadrill --help` lists what it
// can do; README.md shows it at work.
package main

import (
	"os"

	"github.com/hadrill/hadrill/runner/command"
	"github.com/hadrill/hadrill/scenarios"
)

// version is set by the release build.
var version = "devel"

func main() { os.Exit(command.Main(os.Args[1:], scenarios.All(), scenarios.Sweeps(), version)) }
