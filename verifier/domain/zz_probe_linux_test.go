package domain_test
import ("testing";"os";"strings";"strconv";"encoding/binary")
// PROBE: lines "op dst src off imm"
func TestProbe(t *testing.T) {
	fd := newMap(t)
	src, err := os.ReadFile(os.Getenv("PROBE")); if err != nil { t.Skip() }
	g := &generator{}
	g.emit(0x18, 9, 2, 0, int32(fd)); g.emit(0,0,0,0,0)
	for l := range strings.Lines(string(src)) {
		f := strings.Fields(l); if len(f) < 5 { continue }
		n := func(i int) int64 { v, e := strconv.ParseInt(f[i],0,64); if e!=nil {t.Fatal(e)}; return v }
		g.emit(byte(n(0)), int(n(1)), int(n(2)), int16(n(3)), int32(n(4)))
	}
	_ = binary.LittleEndian
	log, err := load(g.code)
	t.Log(err, "\n", log)
}
