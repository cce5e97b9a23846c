package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A disk that is full, or mounted for reading only, stops every write and nothing else: the
// service observes, says so, and goes on by itself when there is room.
func TestDiskOfTheState(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: a file system of its own for the state takes root")
	}
	for _, tt := range []struct{ name, before, after, log string }{
		{"full", "size=0", "remount,size=16m", "no space left on device"},
		{"read only", "ro", "remount,rw", "read-only file system"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sim := startSimulation(t)
			c := newInstallation(t, sim)
			c.want("ks1 ks2")
			dir := filepath.Join(c.dir, "state")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			options := tt.before + ",mode=0700"
			if tt.before == "size=0" {
				options = "size=4k,mode=0700"
			}
			if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
				t.Skipf("SKIPPED: no file system can be mounted here: %v %s", err, out)
			}
			t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
			if tt.before == "size=0" {
				fill(t, dir)
			}
			log, err := os.Create(filepath.Join(c.dir, "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			cmd := c.command("run", "--interval", "1s", "--web.listen-address", "127.0.0.1:0")
			cmd.Stderr = log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
			said := func() string {
				text, _ := os.ReadFile(log.Name())
				return string(text)
			}
			eventually(t, "the log says "+tt.log, func() bool { return strings.Contains(said(), tt.log) })
			eventually(t, "it observes", func() bool {
				list, err := sim.clusters[0].since(0)
				return err == nil && len(list) > 12
			})
			if list, _ := sim.clusters[0].since(0); writesOf(list) > 0 {
				t.Errorf("%d changes were sent without a record", writesOf(list))
			}
			os.Remove(filepath.Join(dir, "filler"))
			if out, err := exec.Command("mount", "-o", tt.after, dir).CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
			eventually(t, "it goes on", func() bool {
				list, _ := sim.clusters[0].since(0)
				return writesOf(list) > 0
			})
		})
	}
}

func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return
		}
	}
}

func writesOf(list []request) (n int) {
	for _, r := range list {
		if changes(r) {
			n++
		}
	}
	return n
}

// eventually waits for something that must come true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
