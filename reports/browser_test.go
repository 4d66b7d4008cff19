package reports_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/internal/sample"
)

// browser finds a Chromium. Without one the test cannot say anything: that is
// a failure where everything has to be tested (CI is set) and a skip in a
// short run.
func browser(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "" && testing.Short() {
		t.Skip("no Chromium is installed: the pages were not opened in a browser")
	}
	t.Fatal("no Chromium is installed (Debian: apt-get install chromium); -short skips this test")
	return ""
}

// open loads a file without any network, runs the probe in the page and
// returns what the probe found, with everything the console said.
func open(t testing.TB, page, probe string) (found map[string]any, console string) {
	t.Helper()
	return openFor(t, page, 3*time.Second, probe)
}

// openFor is open with the time that the page's timers may use, which the
// browser skips rather than waits for; 0: its clock is the real one.
func openFor(t testing.TB, page string, budget time.Duration, probe string) (found map[string]any, console string) {
	t.Helper()
	if strings.Contains(page, "<iframe") {
		page += "<script>window.problems=[]</script>"
	} else {
		page = strings.Replace(page, "<head>", `<head><script>window.problems=[];addEventListener("error",function(e){problems.push(e.message)})</script>`, 1)
	}
	page += `<script>addEventListener("load",function(){var out={};try{(` + probe + `)(out)}catch(e){out.error=String(e)}` +
		`out.problems=problems;var p=document.createElement("pre");p.id="probe-result";p.textContent=JSON.stringify(out);document.body.appendChild(p)})</script>`
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	require.NoError(t, os.WriteFile(file, []byte(page), 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	flags := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
		"--enable-logging=stderr", "--user-data-dir=" + filepath.Join(dir, "profile"), "--window-size=1200,1000"}
	if budget > 0 {
		flags = append(flags, fmt.Sprintf("--virtual-time-budget=%d", budget.Milliseconds()))
	}
	cmd := exec.CommandContext(ctx, browser(t), append(flags, "--dump-dom", "file://"+file)...)
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Run(), errs.String())
	m := regexp.MustCompile(`(?s)<pre id="probe-result">(.*?)</pre>`).FindStringSubmatch(out.String())
	require.NotNil(t, m, "the probe left no result")
	require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(m[1])), &found))
	var said []string
	for _, l := range strings.Split(errs.String(), "\n") {
		if strings.Contains(l, "CONSOLE") {
			said = append(said, l)
		}
	}
	return found, strings.Join(said, "\n")
}

func suiteForBrowser(t *testing.T) string {
	s := nightly(t, 6)
	s.Baseline = runsOf(sample.Failover, 6, .8)
	s.History = []*reports.Scorecard{reports.Suite{Results: runsOf(sample.Failover, 1, 1)}.Card()}
	require.NoError(t, s.Write())
	return string(read(t, s.Dir, reports.PageFile))
}

func TestTheScorecardInABrowser(t *testing.T) {
	page := suiteForBrowser(t)
	found, console := open(t, page, `function(out){
		out.sections=["strip","matrix","changes","drills","ledger","instrument","history","reproduce"].filter(function(id){return !document.getElementById(id)});
		var cell=document.querySelector('a.cell[href="#drill-redis-sentinel-primary-kill"]'),drill=document.getElementById("drill-redis-sentinel-primary-kill").closest("details");
		out.closed=!drill.open;cell.focus();out.focus=document.activeElement===cell;cell.click();
		dispatchEvent(new HashChangeEvent("hashchange"));
		out.opened=drill.open;out.film=drill.querySelector("figure.film svg").getBoundingClientRect().height;
		out.tabbable=[].every.call(document.querySelectorAll("a.cell"),function(a){return a.tabIndex===0});
		var svg=drill.querySelector("figure.film svg"),r=svg.getBoundingClientRect();
		svg.dispatchEvent(new PointerEvent("pointermove",{clientX:r.left+r.width/2,clientY:r.top+20}));
		out.reading=svg.lastElementChild.textContent;
		dispatchEvent(new Event("beforeprint"));out.printed=document.querySelectorAll("details:not([open])").length;dispatchEvent(new Event("afterprint"));
	}`)
	assert.Empty(t, console)
	assert.Empty(t, found["problems"])
	assert.Nil(t, found["error"])
	assert.Empty(t, found["sections"], "sections that are missing")
	assert.Equal(t, true, found["closed"])
	assert.Equal(t, true, found["focus"], "a cell takes the keyboard's focus")
	assert.Equal(t, true, found["opened"], "a click on a cell opens its drill")
	assert.Greater(t, found["film"], 200.0, "and its film is visible")
	assert.Equal(t, true, found["tabbable"])
	assert.Regexp(t, `^-?\d+\.\d{3} s$`, found["reading"])
	assert.Equal(t, 0.0, found["printed"], "everything is open on paper")
}

func TestTheRunPageInABrowser(t *testing.T) {
	log, res := sample.Run(sample.Twin)
	page, err := reports.RunPage(log, res)
	require.NoError(t, err)
	found, console := open(t, string(page), `function(out){
		out.sections=["promises","film","recovery","ledger","findings","lanes","instrument","phases","events","reproduce"].filter(function(id){return !document.getElementById(id)});
		var tick=document.querySelector('figure.film a[href^="#event-"]');out.leads=!!document.getElementById(tick.getAttribute("href").slice(1));
		out.wide=document.documentElement.scrollWidth-innerWidth;
	}`)
	assert.Empty(t, console)
	assert.Empty(t, found["problems"])
	assert.Nil(t, found["error"])
	assert.Empty(t, found["sections"])
	assert.Equal(t, true, found["leads"], "a tick leads to its event")
	assert.LessOrEqual(t, found["wide"], 0.0)
}

func TestHostileTextDoesNotRunInABrowser(t *testing.T) {
	log, res := sample.Run(sample.Twin)
	poison(log, res)
	page, err := reports.RunPage(log, res)
	require.NoError(t, err)
	found, _ := open(t, string(page), `function(out){out.images=document.images.length;out.scripts=document.scripts.length}`)
	assert.Empty(t, found["problems"])
	assert.Equal(t, 0.0, found["images"])
	assert.Equal(t, 3.0, found["scripts"], "the page's own and the test's two")
}

// A page inside a frame of a phone's width must not be wider than it.
func TestPagesFitAPhone(t *testing.T) {
	log, res := sample.Run(sample.Twin)
	run, err := reports.RunPage(log, res)
	require.NoError(t, err)
	for name, page := range map[string]string{"scorecard": suiteForBrowser(t), "run": string(run)} {
		t.Run(name, func(t *testing.T) {
			frame := `<!doctype html><html><head></head><body><iframe width="390" height="800" srcdoc="` + html.EscapeString(page) + `"></iframe></body></html>`
			found, _ := open(t, frame, `function(out){var d=document.querySelector("iframe").contentDocument.documentElement;out.over=d.scrollWidth-d.clientWidth;out.text=d.textContent.length;
				out.wide=[].filter.call(d.querySelectorAll("body *"),function(e){return e.getBoundingClientRect().right>391&&!e.closest(".wide,pre")}).slice(0,5).map(function(e){return e.tagName+"."+e.className})}`)
			assert.Nil(t, found["error"])
			assert.Greater(t, found["text"], 1000.0)
			assert.LessOrEqual(t, found["over"], 0.0, "%v", found["wide"])
		})
	}
}

func TestTheBrowserWouldNotice(t *testing.T) {
	found, console := open(t, `<!doctype html><html><head><title>x</title></head><body><img src="https://example.invalid/x.png"><script>console.error("planted");undefinedFunction()</script></body></html>`,
		`function(out){out.width=document.documentElement.scrollWidth}`)
	assert.Contains(t, console, "planted")
	assert.NotEmpty(t, found["problems"])
}
