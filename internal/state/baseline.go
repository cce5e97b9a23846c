package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kmagent/internal/disk"
	"kmagent/internal/plan"
)

// baselineFile has the extent of the file that was last in use, as one checked line.
const baselineFile = "baseline"

// ReadBaseline returns the extent of the file that was last in use; the zero Baseline if none
// was yet.
func ReadBaseline(dir string) (plan.Baseline, error) {
	path := filepath.Join(dir, baselineFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return plan.Baseline{}, nil
	}
	if err != nil {
		return plan.Baseline{}, fmt.Errorf("read baseline: %w", err)
	}
	body, err := checked(bytes.TrimSuffix(text, []byte("\n")))
	if err != nil {
		return plan.Baseline{}, fmt.Errorf("%s: %w: %w", path, ErrCorrupt, err)
	}
	var b plan.Baseline
	if err := json.Unmarshal(body, &b); err != nil {
		return plan.Baseline{}, fmt.Errorf("%s: %w", path, ErrCorrupt)
	}
	return b, nil
}

// Baseline makes it durable which file is in use from now on.
func (s *Store) Baseline(b plan.Baseline) error {
	body, err := json.Marshal(b)
	if err == nil {
		err = disk.Write(disk.Dir(s.dir), baselineFile, fmt.Appendf(nil, "%s %s\n", checksum(body), body))
	}
	if err != nil {
		return fmt.Errorf("write baseline: %w", err)
	}
	return nil
}
