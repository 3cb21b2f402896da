package keyed_test

import (
	"testing"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/keyed/keyedtest"
)

func TestConformanceOfHeap(t *testing.T) {
	keyedtest.Run(t, func(testing.TB) keyed.KeyValue { return nil })
}

func TestConformanceOfDisk(t *testing.T) {
	keyedtest.Run(t, func(testing.TB) keyed.KeyValue { return &keyedtest.Memory{} })
}
