// Package classifier is a classifier for traffic control that calls a program for each protocol through a prog array.
package classifier

import _ "embed"

//go:generate go run ../internal/cc classifier.c

// Object is the classifier.
//
//go:embed classifier.o
var Object []byte
