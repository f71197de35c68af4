package corpus

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/skepbpf/skep/object"
)

// A Set is an open corpus. It may be shared between goroutines.
type Set struct {
	Cases []*Case

	dir     string
	blobs   func() (map[string]*blob, error) // read when the first case asks
	mu      sync.Mutex
	kernels map[string]*Kernel
}

// Open reads a corpus: a file of cases, or the folder that has a cases.jsonl.gz. Blobs are read and
// parsed when a case first needs them.
func Open(name string) (*Set, error) {
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		name = filepath.Join(name, "cases.jsonl.gz")
	}
	s := &Set{dir: filepath.Dir(name), kernels: map[string]*Kernel{}}
	s.blobs = sync.OnceValues(func() (map[string]*blob, error) { return readBlobs(filepath.Join(s.dir, "btf.tar.gz")) })
	err := eachLine(name, func(d *json.Decoder) error {
		c := &Case{set: s}
		err := d.Decode(c)
		if err == nil {
			s.Cases = append(s.Cases, c)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("corpus: %s: %w", name, err)
	}
	return s, nil
}

// Find gives the cases whose id contains the text; a case whose id is the text stands alone.
func (s *Set) Find(text string) []*Case {
	var out []*Case
	for _, c := range s.Cases {
		if c.ID == text {
			return []*Case{c}
		}
		if strings.Contains(c.ID, text) {
			out = append(out, c)
		}
	}
	return out
}

// Recorded is the version of the kernel behind the cases' Want: "6.18.44".
func (s *Set) Recorded() string {
	for _, c := range s.Cases {
		if c.Want != nil && c.Want.Kernel != "" {
			return c.Want.Kernel
		}
	}
	return ""
}

// Versions are the kernels whose verdicts the corpus holds, the recorded one first.
func (s *Set) Versions() []string {
	out := []string{}
	files, _ := filepath.Glob(filepath.Join(s.dir, "verdicts-*.jsonl.gz")) // the pattern is well formed
	for _, f := range files {
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "verdicts-"), ".jsonl.gz"))
	}
	sort.Strings(out)
	return append([]string{s.Recorded()}, out...)
}

// Wants gives what the kernel of that version said, by case id. "" and Recorded give the cases' Want.
func (s *Set) Wants(version string) (map[string]*Verdict, error) {
	out := map[string]*Verdict{}
	if version == "" || version == s.Recorded() {
		for _, c := range s.Cases {
			if c.Want != nil {
				out[c.ID] = c.Want
			}
		}
		return out, nil
	}
	name := filepath.Join(s.dir, "verdicts-"+version+".jsonl.gz")
	err := eachLine(name, func(d *json.Decoder) error {
		v := &Verdict{}
		err := d.Decode(v)
		if err == nil {
			out[v.ID] = v
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("corpus: no verdicts of kernel %s (there are those of %s)", version, strings.Join(s.Versions(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("corpus: %s: %w", name, err)
	}
	return out, nil
}

// eachLine calls f until the JSON values of a file, gzipped or not, are used up.
func eachLine(name string, f func(*json.Decoder) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	var r io.Reader = bufio.NewReaderSize(file, 1<<16)
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(r); err != nil {
			return err
		}
	}
	d := json.NewDecoder(r)
	for {
		if err := f(d); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// A blob is BTF whose parsing waits for its first use.
type blob struct {
	raw   []byte
	parse func() *object.BTF
}

func newBlob(raw []byte) *blob {
	return &blob{raw, sync.OnceValue(func() *object.BTF { return parseBTF(raw) })}
}

// readBlobs reads btf.tar.gz; the key is the name without ".btf".
func readBlobs(name string) (map[string]*blob, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("corpus: %s: %w", name, err)
	}
	out := map[string]*blob{}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("corpus: %s: %w", name, err)
		}
		raw, err := io.ReadAll(t)
		if err != nil {
			return nil, fmt.Errorf("corpus: %s: %w", name, err)
		}
		out[strings.TrimSuffix(path.Base(h.Name), ".btf")] = newBlob(raw)
	}
}

// btf gives the blob of that name, nil for "".
func (s *Set) btf(name string) (*object.BTF, error) {
	if name == "" {
		return nil, nil
	}
	if s == nil {
		return nil, fmt.Errorf("corpus: BTF blob %s: the case belongs to no set", name)
	}
	blobs, err := s.blobs()
	if err != nil {
		return nil, err
	}
	b, ok := blobs[name]
	if !ok {
		return nil, fmt.Errorf("corpus: no BTF blob %s", name)
	}
	return b.parse(), nil
}
