//go:build !unix

package main

// hostileSystem needs pipes, devices and rights as Unix has them.
var hostileSystem []hostileInput
