//go:build !linux

package main

import "syscall"

// childAttributes would let a program end with this command; only Linux can.
func childAttributes() *syscall.SysProcAttr { return nil }
