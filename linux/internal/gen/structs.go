package main

import (
	"fmt"
	"strings"
)

func emitStructs(f *facts) (string, error) {
	var b strings.Builder
	b.WriteString("// structs are the layouts of UAPI structs.\nvar structs = [...]StructInfo{\n")
	for _, name := range keys(f.structs.Structs) {
		s := f.structs.Structs[name]
		fmt.Fprintf(&b, "{Name: %q, Size: %d, Fields: []StructField{\n", name, s.Size)
		for _, m := range s.Fields {
			fmt.Fprintf(&b, "{%q, %d, %d, %q},\n", m.Name, m.Off, m.Size, m.Type)
		}
		b.WriteString("}},\n")
	}
	return b.String() + "}\n", nil
}
