package window

import "github.com/flink-go/flink-go/graph/operator"

// Rows is the number of rows of state that a general operator holds: windows of keys with contents or timers.
func Rows(l operator.Lifecycle) int {
	rows, _ := l.(interface{ held() (rows, timers int) }).held()
	return rows
}

// Timers is the number of timers that a general operator has.
func Timers(l operator.Lifecycle) int {
	_, timers := l.(interface{ held() (rows, timers int) }).held()
	return timers
}

func (e *engine[K, U]) held() (rows, timers int) {
	return e.rows.Len(), e.event.Len() + e.processing.Len()
}
