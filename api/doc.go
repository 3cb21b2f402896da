// Package api is the map of what users import; it holds no code.
//
//	stream  the DataStream API: builds a graph of typed streams, runs nothing
//	job     Main and Run: embedded, on a session cluster, or on a cluster of its own
//	rest    types and client of the REST API
package api
