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
	"syscall"
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

	// Go's listen queue is as long as the system allows.
	var config net.ListenConfig
	if len(os.Args) > 2 && os.Args[2] == "--reuse-port" {
		config.Control = reusePort
	}
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	listener, err := config.Listen(context.Background(), "tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}

	server := http.Server{Handler: handler}
	idleConnectionsClosed := make(chan struct{})
	go func() {
		<-terminate
		if err := server.Shutdown(context.Background()); err != nil {
			log.Print(err)
		}
		close(idleConnectionsClosed)
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-idleConnectionsClosed
}
