package main

type mapFacts struct{}
type kfuncFacts struct{}
