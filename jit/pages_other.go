//go:build !linux

package jit

import "errors"

type block struct{ addr uintptr }

type pool struct{}

var pages pool

var errNoPages = errors.New("jit: no executable pages on this host")

func (p *pool) place([]byte) (block, error) { return block{}, errNoPages }

func (p *pool) free(block) {}

func newStack(int) ([]byte, error) { return nil, errNoPages }

func freeStack([]byte) {}

func contextAt([]byte) *context { return nil }

func topOf([]byte) uintptr { return 0 }
