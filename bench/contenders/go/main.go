// Go's concurrency.Mutex, driven by lines of JSON on standard input. A line that was carried out is answered by one.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

type request struct {
	ID    int    `json:"id"`
	Verb  string `json:"verb"`
	Key   string `json:"key"`
	Taken int    `json:"taken"`
}

type answer struct {
	ID    int    `json:"id"`
	Taken int    `json:"taken,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Args[1]}, DialTimeout: 5 * time.Second})
	if err != nil {
		panic(err)
	}
	sessions := make(chan *concurrency.Session, 4096)
	session := func() (*concurrency.Session, error) {
		select {
		case idle := <-sessions:
			return idle, nil
		default:
			return concurrency.NewSession(client, concurrency.WithTTL(10))
		}
	}
	type held struct {
		mutex   *concurrency.Mutex
		session *concurrency.Session
	}
	answers := make(chan answer, 4096)
	go func() {
		out := bufio.NewWriter(os.Stdout)
		encoder := json.NewEncoder(out)
		for one := range answers {
			_ = encoder.Encode(one)
			if len(answers) == 0 {
				_ = out.Flush()
			}
		}
	}()
	var taken = make(chan map[int]held, 1)
	taken <- map[int]held{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		go func() {
			told := answer{ID: asked.ID}
			// Two of one session on one key would be one claim: each lock that is taken has a session to itself.
			err := func() error {
				switch asked.Verb {
				case "take":
					own, err := session()
					if err != nil {
						return err
					}
					mutex := concurrency.NewMutex(own, asked.Key)
					if err := mutex.Lock(context.Background()); err != nil {
						return err
					}
					all := <-taken
					all[asked.ID] = held{mutex, own}
					taken <- all
					told.Taken = asked.ID
					return nil
				case "give":
					all := <-taken
					one := all[asked.Taken]
					delete(all, asked.Taken)
					taken <- all
					defer func() { sessions <- one.session }()
					return one.mutex.Unlock(context.Background())
				}
				return fmt.Errorf("no verb %q", asked.Verb)
			}()
			if err != nil {
				told.Error = err.Error()
			}
			answers <- told
		}()
	}
}
