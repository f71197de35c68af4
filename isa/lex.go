package isa

import (
	"fmt"
	"strconv"
	"strings"
)

// A token is a word, a number or an operator of assembler text.
type token struct {
	kind tokenKind
	text string
	num  uint64
	hex  bool
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenNumber
	tokenOp
)

// operators, longer ones before their beginnings. Some begin with a letter.
var operators = []string{"s>>=", "<<=", ">>=", "s/=", "s%=", "s>=", "s<=", "s>", "s<",
	"+=", "-=", "*=", "/=", "|=", "&=", "%=", "^=", "==", "!=", ">=", "<=",
	"=", ">", "<", "&", "+", "-", "*", "(", ")", "[", "]", ",", "#", ":"}

// lex cuts a line, without its comment, into tokens.
func lex(line string) ([]token, error) {
	out := make([]token, 0, 16)
next:
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" {
			return out, nil
		}
		for _, op := range operators {
			if strings.HasPrefix(line, op) {
				out = append(out, token{kind: tokenOp, text: op})
				line = line[len(op):]
				continue next
			}
		}
		n := 0
		for n < len(line) && isWordByte(line[n]) {
			n++
		}
		if n == 0 {
			return nil, fmt.Errorf("unexpected %q", line[:1])
		}
		word := line[:n]
		line = line[n:]
		if word[0] < '0' || word[0] > '9' {
			out = append(out, token{kind: tokenWord, text: word})
			continue
		}
		digits, hex := strings.CutPrefix(word, "0x")
		base := 10
		if hex {
			base = 16
		}
		v, err := strconv.ParseUint(digits, base, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", word)
		}
		out = append(out, token{kind: tokenNumber, text: word, num: v, hex: hex})
	}
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '$'
}
