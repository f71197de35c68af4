package main

import "errors"

func execute(o *options) error { return errors.New("not yet") }
