// Command bare is the floor as a process of its own: it reads clusters once, or again and
// again, and does nothing with what it read. Its arguments are a CA file and endpoints.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"kmagent/bench/floor"
)

func main() {
	var cfg floor.Config
	flag.StringVar(&cfg.User, "user", "", "account")
	flag.IntVar(&cfg.Conns, "conns", 1, "connections to each cluster")
	flag.BoolVar(&cfg.Hash, "hash", false, "decode what changed only")
	managers := flag.Bool("managers", false, "read the key managers alone")
	every := flag.Duration("every", 0, "read again after this time, until killed; 0: read once")
	flag.Parse()
	cfg.Password, cfg.CAFile = os.Getenv("BENCH_PASSWORD"), flag.Arg(0)
	if err := run(cfg, flag.Args()[1:], *managers, *every); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(cfg floor.Config, endpoints []string, managers bool, every time.Duration) error {
	var clients []*floor.Client
	for _, cfg.Endpoint = range endpoints {
		c, err := floor.New(cfg)
		if err != nil {
			return err
		}
		clients = append(clients, c)
	}
	for {
		for _, c := range clients {
			if err := read(c, managers); err != nil {
				return err
			}
		}
		if every == 0 {
			return nil
		}
		time.Sleep(every)
	}
}

func read(c *floor.Client, managers bool) error {
	if managers {
		_, err := c.Managers(context.Background())
		return err
	}
	return c.Full(context.Background())
}
