package scheduler

import "github.com/flink-go/flink-go/graph"

// unionFind keeps sets of tasks, with union by size and path halving.
type unionFind struct{ parent, size []int32 }

func newUnionFind(n int) *unionFind {
	u := &unionFind{make([]int32, n), make([]int32, n)}
	for i := range n {
		u.parent[i], u.size[i] = int32(i), 1
	}
	return u
}

func (u *unionFind) find(i int) int {
	x := int32(i)
	for u.parent[x] != x {
		u.parent[x] = u.parent[u.parent[x]]
		x = u.parent[x]
	}
	return int(x)
}

func (u *unionFind) union(a, b int) {
	a, b = u.find(a), u.find(b)
	if a == b {
		return
	}
	if u.size[a] < u.size[b] {
		a, b = b, a
	}
	u.parent[b] = int32(a)
	u.size[a] += u.size[b]
}

// regionsOf numbers the pipelined regions of a job: the sets of subtasks that exchange records while they run, and so
// must run and restart together. first[v] is the number of the first subtask of vertex v; the answer gives for each
// subtask the number of its region, and how many regions there are. Regions are numbered by their first subtask.
//
// A pointwise edge connects a subtask with the few that it exchanges records with. Any other edge connects all
// subtasks of both sides; one upstream subtask stands as the hub for all of them, so that the work grows with the
// parallelism and not with its square.
func regionsOf(job *graph.JobGraph, first []int, tasks int) (of []int, count int) {
	u := newUnionFind(tasks)
	index := vertexIndex(job)
	for v := range job.Vertices {
		down := &job.Vertices[v]
		for _, edge := range down.Inputs {
			s := index[edge.Source]
			up := &job.Vertices[s]
			if edge.Strategy == graph.Forward || edge.Strategy == graph.Rescale {
				for d := range down.Parallelism {
					from, to := edge.Strategy.SourcesOf(d, up.Parallelism, down.Parallelism)
					for i := from; i < to; i++ {
						u.union(first[s]+i, first[v]+d)
					}
				}
				continue
			}
			hub := first[s]
			for i := 1; i < up.Parallelism; i++ {
				u.union(hub, first[s]+i)
			}
			for d := range down.Parallelism {
				u.union(hub, first[v]+d)
			}
		}
	}
	of = make([]int, tasks)
	number := make(map[int]int)
	for i := range tasks {
		root := u.find(i)
		n, ok := number[root]
		if !ok {
			n = len(number)
			number[root] = n
		}
		of[i] = n
	}
	return of, len(number)
}
