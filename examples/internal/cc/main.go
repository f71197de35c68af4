// Cc compiles the C sources of an example to BPF objects. It is what the go:generate lines of the examples run, in
// their folders:
//
//	//go:generate go run ../internal/cc firewall.c
//
// It needs clang and llvm-strip (of version 19, for the objects that are committed) and the headers of libbpf and
// Linux (Debian: clang-19 llvm-19 libbpf-dev linux-libc-dev). Objects do not depend on where the repository lies:
// their line info has paths from its root, "examples/firewall/firewall.c", as annotations of a change need them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

func main() {
	to := flag.String("o", "", "folder for the objects; that of the sources if empty")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: cc [-o folder] file.c …")
		os.Exit(2)
	}
	for _, src := range flag.Args() {
		if err := compile(src, *to); err != nil {
			fmt.Fprintf(os.Stderr, "cc: %s: %v\n", src, err)
			os.Exit(1)
		}
	}
}

// compile makes file.o of file.c, without the debug information that nothing reads once BTF has been made of it.
// The compiler runs in the repository's root, so that it finds sources where the paths in the object say.
func compile(src, to string) error {
	clang, err := find("clang")
	if err != nil {
		return err
	}
	strip, err := find("llvm-strip")
	if err != nil {
		return err
	}
	asm, err := headers()
	if err != nil {
		return err
	}
	root, dir, err := place()
	if err != nil {
		return err
	}
	if to == "" {
		to = filepath.Join(root, filepath.FromSlash(dir))
	}
	obj := filepath.Join(to, strings.TrimSuffix(src, ".c")+".o")
	src = path.Join(dir, src)
	if err := run(root, clang, "-O2", "-g", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3",
		"-idirafter", asm, "-fdebug-prefix-map="+root+"=", "-c", src, "-o", obj); err != nil {
		return err
	}
	return run(root, strip, "-g", obj)
}

// place tells where the repository's root is, and where in it this is.
func place() (root, dir string, err error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", "", err
	}
	for root = wd; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			return "", "", errors.New("not in the repository")
		}
	}
	dir, err = filepath.Rel(root, wd)
	return root, filepath.ToSlash(dir), err
}

// find finds a tool of LLVM, the version that the committed objects were made with first.
func find(tool string) (string, error) {
	for _, name := range []string{tool + "-19", tool} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no %s in PATH", tool)
}

// headers finds where a distribution keeps asm/types.h, which the headers of Linux include. A compiler for BPF
// does not look there. What it says is the same for all architectures.
func headers() (string, error) {
	found, err := filepath.Glob("/usr/include/*-linux-*/asm/types.h")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		if _, err := os.Stat("/usr/include/asm/types.h"); err != nil {
			return "", errors.New("no asm/types.h: the headers of Linux are missing")
		}
		return "/usr/include", nil
	}
	return filepath.Dir(filepath.Dir(found[0])), nil
}

func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
