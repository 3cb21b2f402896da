// Package file reads and writes files: text lines, JSON lines and CSV.
//
//	lines := stream.From(env, file.Lines("logs", file.In("more/*.txt.gz")))
//	stream.To(counts, file.WriteJSON[Count]("out"))
//
// A source finds its files in subtask 0 and cuts them into splits, ranges of bytes that any subtask may read; small
// files share a split. Compressed files are read whole. The files must be there on every machine that runs the job.
//
// A sink writes part files, hidden while they are in progress and renamed when they are complete.
//
// Faults of the data name file and byte offset (B-70); OnBadRecord says what happens then. source.go has the
// functions that make sources, split.go the discovery, reader.go what a subtask does; sink.go and part.go write.
package file
