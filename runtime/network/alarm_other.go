//go:build !linux

package network

func newAlarmClock() alarmClock { return newGoTimer() }
