package file_test

import (
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/file"
)

type Trade struct {
	Symbol string  `csv:"symbol" json:"symbol"`
	Price  float64 `csv:"price" json:"price"`
}

func ExampleLines() {
	env := stream.NewEnv("errors", nil)
	lines := stream.From(env, file.Lines("/var/log/app", file.In("/var/log/old/*.gz")))
	stream.To(lines, file.WriteLines[string]("errors"))
}

func ExampleCSV() {
	env := stream.NewEnv("trades", nil)
	trades := stream.From(env, file.CSV[Trade]("trades.csv", file.Comma(';'), file.OnBadRecord(file.Skip)))
	stream.To(trades, file.WriteJSON[Trade]("trades", file.RollSize(64<<20)))
}
