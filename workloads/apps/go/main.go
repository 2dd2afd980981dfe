// Profiles behind a cache: net/http, database/sql with lib/pq, and a redigo pool.
package main

import (
	"database/sql"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/gomodule/redigo/redis"
	_ "github.com/lib/pq"
)

type profile struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type server struct {
	db    *sql.DB
	cache *redis.Pool
}

func (s *server) show(w http.ResponseWriter, r *http.Request, id string) error {
	cache := s.cache.Get()
	defer cache.Close()
	w.Header().Set("Content-Type", "application/json")
	body, err := redis.Bytes(cache.Do("GET", "profile:"+id))
	if err == nil {
		_, err = w.Write(body)
		return err
	} else if err != redis.ErrNil {
		return err
	}
	p := profile{ID: id}
	err = s.db.QueryRowContext(r.Context(), "SELECT name FROM profiles WHERE id = $1", id).Scan(&p.Name)
	if err != nil {
		return err
	}
	if body, err = json.Marshal(p); err != nil {
		return err
	}
	if _, err = cache.Do("SET", "profile:"+id, body, "EX", 300); err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}

func (s *server) update(w http.ResponseWriter, r *http.Request, id string) error {
	var p profile
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		return err
	}
	tx, err := s.db.BeginTx(r.Context(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err = tx.Exec("UPDATE profiles SET name = $1 WHERE id = $2", p.Name, id); err != nil {
		return err
	}
	if err = tx.Commit(); err != nil {
		return err
	}
	cache := s.cache.Get()
	defer cache.Close()
	if _, err = cache.Do("DEL", "profile:"+id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func main() {
	db, err := sql.Open("postgres", os.Getenv("DATABASE_URL")+"?sslmode=disable")
	if err != nil {
		log.Fatal(err)
	}
	dial := func() (redis.Conn, error) { return redis.DialURL(os.Getenv("REDIS_URL")) }
	s := &server{db, &redis.Pool{Dial: dial, MaxIdle: 2}}
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/profiles/", func(w http.ResponseWriter, r *http.Request) {
		handle := s.show
		if r.Method == http.MethodPut {
			handle = s.update
		}
		switch err := handle(w, r, strings.TrimPrefix(r.URL.Path, "/profiles/")); err {
		case nil:
		case sql.ErrNoRows:
			http.NotFound(w, r)
		default:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
