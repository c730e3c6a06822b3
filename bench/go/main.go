// One hop of the pair that stands for an engine on Go's standard library: httputil.ReverseProxy with a tuned
// transport. As an outway it takes plain HTTP/1.1 and calls the inway over mutual TLS, as an inway the reverse.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

const bufferBytes = 32 * 1024

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return *(b.pool.Get().(*[]byte)) }
func (b *buffers) Put(x []byte) { b.pool.Put(&x) }

func main() {
	role := flag.String("role", "", "outway or inway")
	listen := flag.String("listen", "", "address to listen at")
	target := flag.String("target", "", "URL that everything goes to")
	cert := flag.String("cert", "", "certificate, PEM")
	key := flag.String("key", "", "private key, PEM")
	anchor := flag.String("anchor", "", "trust anchor, PEM")
	name := flag.String("name", "", "the inway's name")
	flag.Parse()

	to, err := url.Parse(*target)
	if err != nil {
		log.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile(*anchor)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	transport := &http.Transport{
		MaxIdleConns:        0,
		MaxIdleConnsPerHost: 1024,
		IdleConnTimeout:     time.Hour,
		DisableCompression:  true,
		ReadBufferSize:      bufferBytes,
		WriteBufferSize:     bufferBytes,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSClientConfig: &tls.Config{
			Certificates: []tls.Certificate{pair},
			RootCAs:      roots,
			ServerName:   *name,
			MinVersion:   tls.VersionTLS13,
		},
	}
	proxy := &httputil.ReverseProxy{
		Director: func(request *http.Request) {
			request.URL.Scheme = to.Scheme
			request.URL.Host = to.Host
		},
		Transport: transport,
		BufferPool: &buffers{pool: sync.Pool{New: func() any {
			buffer := make([]byte, bufferBytes)
			return &buffer
		}}},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server := &http.Server{
		Addr:         *listen,
		Handler:      proxy,
		ErrorLog:     log.New(io.Discard, "", 0),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	if *role == "outway" {
		log.Fatal(server.ListenAndServe())
	}
	server.TLSConfig = &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  roots,
		MinVersion: tls.VersionTLS13,
	}
	log.Fatal(server.ListenAndServeTLS(*cert, *key))
}
