// Command wordcount counts the words of text files and prints the most frequent ones and the rate.
//
//	go run ./examples/wordcount --input book.txt
//	go run ./examples/wordcount --input DIR --top 20 -p 4
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/file"
	"github.com/flink-go/flink-go/examples/internal/result"
)

func main() {
	input := flag.String("input", "", "text file, or directory of text files")
	top := flag.Int("top", 10, "how many of the most frequent words to print")
	p := flag.Int("p", 0, "parallelism; 0 is the configured one")
	asJSON := flag.Bool("json", false, "print the result as one line of JSON")
	flag.Parse()
	if err := run(*input, *top, *p, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(job.ExitCode(err))
	}
}

// count is the program: words of lines, counted at the end of input.
func count(lines *stream.Stream[string], top int) {
	words := stream.Process(lines, &splitter{}).Name("words")
	counts := stream.Count(stream.KeyByRef(words, func(w *string) string { return *w }), stream.AtEnd).UID("count")
	stream.To(counts, topWords(top)).Name("top words")
}

func run(input string, top, p int, asJSON bool) error {
	if input == "" {
		return fmt.Errorf("say what to read: --input FILE or --input DIR")
	}
	parallelism := 0
	res, err := job.Execute(context.Background(), "wordcount", func(env *stream.Env) {
		if p != 0 {
			env.Parallelism(p)
		}
		parallelism = env.Config().Parallelism
		count(stream.From(env, file.Lines(input)), top)
	})
	if err != nil || res.Detached {
		return err
	}
	return report(res, top, parallelism, asJSON)
}

// report prints the result of the job.
func report(res *job.Result, top, parallelism int, asJSON bool) error {
	bytes, err := res.Accumulators.Int64(textBytes)
	if err != nil {
		return err
	}
	line, err := result.Of("wordcount", parallelism, bytes, res)
	if err != nil {
		return err
	}
	if asJSON {
		return line.WriteJSON(os.Stdout)
	}
	words, err := res.Accumulators.Int64(wordsRead)
	if err != nil {
		return err
	}
	best, err := mergeTop(res, top)
	if err != nil {
		return err
	}
	for _, w := range best {
		fmt.Printf("%10d  %s\n", w.Count, w.Word)
	}
	if words == 0 {
		fmt.Println("no words")
		return nil
	}
	fmt.Printf("%d words, %d of them different, in %.3f s: %.1f MB/s, %.1f million words/s\n",
		words, line.Count, line.Seconds, float64(bytes)/1e6/line.Seconds, float64(words)/1e6/line.Seconds)
	return nil
}
