// Go's net/http, stopped by Server.Shutdown as its documentation has it.
package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// soReusePort is missing from package syscall for this system.
const soReusePort = 0xf

func reusePort(_, _ string, connection syscall.RawConn) error {
	var failed error
	err := connection.Control(func(descriptor uintptr) {
		failed = syscall.SetsockoptInt(int(descriptor), syscall.SOL_SOCKET, soReusePort, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

// numbers reads the part of the path behind prefix.
func numbers(r *http.Request, prefix string) []int {
	var all []int
	for _, text := range strings.Split(strings.TrimPrefix(r.URL.Path, prefix), "/") {
		number, err := strconv.Atoi(text)
		if err != nil {
			return []int{0, 0}
		}
		all = append(all, number)
	}
	return append(all, 0)
}

// slow adds what takes its time: the drill asks for it.
func slow(handler *http.ServeMux, hello, mebibyte []byte) {
	handler.HandleFunc("/delay/", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(numbers(r, "/delay/")[0]) * time.Millisecond)
		w.Write(hello)
	})
	handler.HandleFunc("/stream/", func(w http.ResponseWriter, r *http.Request) {
		chunks := numbers(r, "/stream/")
		for sent := 0; sent < chunks[0]; sent++ {
			if sent > 0 {
				time.Sleep(time.Duration(chunks[1]) * time.Millisecond)
			}
			if _, err := w.Write([]byte("chunk " + strconv.Itoa(sent) + "\n")); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	handler.HandleFunc("/bytes/", func(w http.ResponseWriter, r *http.Request) {
		left := numbers(r, "/bytes/")[0]
		w.Header().Set("Content-Length", strconv.Itoa(left))
		for left > 0 {
			piece := left
			if piece > len(mebibyte) {
				piece = len(mebibyte)
			}
			if _, err := w.Write(mebibyte[:piece]); err != nil {
				return
			}
			left -= piece
		}
	})
}

func main() {
	hello := []byte("Hello, World!")
	mebibyte := make([]byte, 1<<20)
	handler := http.NewServeMux()
	handler.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Write(hello)
	})
	handler.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content)
	})
	handler.HandleFunc("/mebibyte", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(mebibyte)))
		w.Write(mebibyte)
	})
	slow(handler, hello, mebibyte)

	// Go's listen queue is as long as the system allows.
	var config net.ListenConfig
	drain := context.Background()
	deadline := time.Duration(0)
	for _, option := range os.Args[2:] {
		if option == "--reuse-port" {
			config.Control = reusePort
		}
		if seconds, err := strconv.Atoi(strings.TrimPrefix(option, "--deadline=")); err == nil {
			deadline = time.Duration(seconds) * time.Second
		}
	}
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM, os.Interrupt)
	listener, err := config.Listen(context.Background(), "tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}

	server := http.Server{Handler: handler}
	idleConnectionsClosed := make(chan struct{})
	go func() {
		<-terminate
		if deadline > 0 {
			limited, cancel := context.WithTimeout(drain, deadline)
			defer cancel()
			drain = limited
		}
		if err := server.Shutdown(drain); err != nil {
			log.Print(err)
		}
		close(idleConnectionsClosed)
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-idleConnectionsClosed
}
