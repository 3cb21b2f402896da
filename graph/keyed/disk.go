package keyed

import "errors"

var errNoDisk = errors.New("there is no disk state in this build")

func newDiskStore[K comparable, V any](*Backend, string) (Store[K, V], error) {
	return nil, errNoDisk
}

func newDiskScope(*Scope) (diskScope, error) { return nil, errNoDisk }

func newDiskValue[V any](*Scope, string) (valueState[V], error) { return nil, errNoDisk }

func newDiskList[V any](*Scope, string) (listState[V], error) { return nil, errNoDisk }

func newDiskMap[MK comparable, V any](*Scope, string) (mapState[MK, V], error) {
	return nil, errNoDisk
}

func newDiskTimers(*Scope, string) (timerState, error) { return nil, errNoDisk }
