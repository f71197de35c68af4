package verifier

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/skepbpf/skep/linux"
)

// TestKfuncNames: a kernel function that a rule of the verifier has by name has a row in linux, and may be called.
func TestKfuncNames(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	inner, err := filepath.Glob("internal/prepare/*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range append(files, inner...) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		check := func(e ast.Expr) {
			lit, ok := e.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return
			}
			kfunc, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			seen++
			if row := linux.FindKfunc(kfunc); row == nil || !row.Is(linux.KfuncProbed) {
				t.Errorf("%s: a rule for %q, which is no kernel function that programs may call", fset.Position(e.Pos()), kfunc)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SwitchStmt:
				tag := n.Tag
				if init, ok := n.Init.(*ast.AssignStmt); ok { // switch name := c.kf.name; name
					tag = init.Rhs[0]
				}
				if isKfuncName(tag) {
					for _, s := range n.Body.List {
						for _, e := range s.(*ast.CaseClause).List {
							check(e)
						}
					}
				}
			case *ast.BinaryExpr:
				if isKfuncName(n.X) {
					check(n.Y)
				}
			}
			return true
		})
	}
	const fewest = 10
	if seen < fewest {
		t.Errorf("%d rules were seen: does the test know how they are written?", seen)
	}
	t.Logf("%d rules", seen)
}

// isKfuncName tells that an expression is the name of a kernel function: k.name, where k is one.
func isKfuncName(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "name" {
		return false
	}
	switch x := s.X.(type) {
	case *ast.Ident:
		return x.Name == "f" || x.Name == "k"
	case *ast.SelectorExpr:
		return x.Sel.Name == "kf"
	}
	return false
}
