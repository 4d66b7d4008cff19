package components

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
)

const (
	bulkSize = 64 << 10
	workSize = 2 << 20 // bytes to digest: some milliseconds of a processor
	roomSize = 64 << 20
)

// means are the routes by which a node shows what it has to work with, for its
// peer to ask:
//
//	GET /bytes   64 KiB
//	GET /digest  after a fixed piece of work for the processor
//	GET /free    whether its memory limit leaves it 64 MiB; 507 if not
//	GET /block   after it has written a block to its disk and synced it; 507 and
//	             the disk's error if it could not, 404 without a disk
func means(srv *server, disk string) {
	if disk != "" {
		blocks := newStore(disk)
		srv.mux.HandleFunc("GET /block", func(out http.ResponseWriter, r *http.Request) {
			if err := blocks.keep(r.Context()); err != nil {
				srv.answer(out, http.StatusInsufficientStorage, err.Error())
				return
			}
			srv.answer(out, http.StatusOK, "kept")
		})
	}
	block := make([]byte, workSize)
	srv.mux.HandleFunc("GET /bytes", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set(NodeHeader, srv.node)
		_, _ = out.Write(block[:bulkSize]) // the client may be gone; that is its business
	})
	srv.mux.HandleFunc("GET /digest", func(out http.ResponseWriter, _ *http.Request) {
		srv.answer(out, http.StatusOK, fmt.Sprintf("%x", sha256.Sum256(block)))
	})
	srv.mux.HandleFunc("GET /free", func(out http.ResponseWriter, _ *http.Request) {
		room, err := memoryRoom()
		switch {
		case err != nil:
			srv.answer(out, http.StatusInternalServerError, err.Error())
		case room < roomSize:
			srv.answer(out, http.StatusInsufficientStorage, fmt.Sprintf("%d bytes of memory left", room))
		default:
			srv.answer(out, http.StatusOK, fmt.Sprint(room))
		}
	})
}

// memoryRoom is what the node's memory limit leaves it, as its own cgroup says
// (cgroups(7), version 1 or 2).
func memoryRoom() (int64, error) {
	var errs []error
	for _, files := range [][2]string{
		{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
		{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
	} {
		limit, err := readNumber(files[0])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		used, err := readNumber(files[1])
		return limit - used, err
	}
	return 0, errors.Join(errs...)
}

func readNumber(file string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	word := strings.TrimSpace(string(text))
	if word == "max" {
		return math.MaxInt64, nil
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}
