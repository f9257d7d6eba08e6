// SPDX-License-Identifier: MIT

package otp_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/otpw-go/otpw/otp"
	"golang.org/x/crypto/ssh"
)

// An SSH server written in Go that asks for one-time passwords. Each try is a
// login of its own: Begin chooses the number, Verify ends it.
func Example_sshServer() {
	dir, err := os.MkdirTemp("", "otpw")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	list := filepath.Join(dir, "alice")
	if err := makeExampleList(list); err != nil {
		log.Fatal(err)
	}

	askOneTimePassword := func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		login, err := otp.Begin(list, otp.Options{})
		if err != nil {
			return nil, err // nothing to ask for: denied
		}
		defer login.Close() // a cut connection sets the number aside
		answers, err := ask("", "", []string{login.Prompt("Password")}, []bool{false})
		if err != nil {
			return nil, err
		}
		if len(answers) != 1 {
			return nil, errors.New("want one answer")
		}
		remaining, err := login.Verify([]byte(answers[0]))
		if err != nil {
			return nil, err
		}
		fmt.Printf("server: accepted, %d of %d left\n", remaining.Unused, remaining.Total)
		return &ssh.Permissions{}, nil
	}

	for range 2 { // the same response twice
		err := exampleLogin(askOneTimePassword, "geHeim"+"kxvp 2tqm")
		fmt.Println("client: logged in:", err == nil)
	}
	// Output:
	// client: "Password 000: "
	// server: accepted, 1 of 2 left
	// client: logged in: true
	// client: "Password 001: "
	// client: logged in: false
}

// makeExampleList makes a list of two passwords, in the order of the sheet.
func makeExampleList(path string) error {
	recipe := otp.Recipe{
		Header: otp.Header{
			Format:  otp.OTPW2,
			KDF:     otp.KDF{Memory: otp.DefaultKDFMemory, Passes: otp.DefaultKDFPasses},
			Host:    "host.example",
			Created: time.Now(),
		},
		Ordered: true,
	}
	l, err := recipe.Make(context.Background(), []byte("geHeim"), []otp.Numbered{
		{Number: "000", Password: []byte("kxvp2tqm")},
		{Number: "001", Password: []byte("h7daswzc")},
	})
	if err != nil {
		return err
	}
	r, err := otp.Replace(path)
	if err != nil {
		return err
	}
	defer r.Abort()
	if err := r.Write(l); err != nil {
		return err
	}
	return r.Commit()
}

// exampleLogin runs a server for one connection, and a client that gives the
// same answer to whatever it is asked.
func exampleLogin(askOneTimePassword func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error), answer string) error {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return err
	}
	server := &ssh.ServerConfig{MaxAuthTries: 1, KeyboardInteractiveCallback: askOneTimePassword}
	server.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			ssh.NewServerConn(conn, server)
		}
	}()

	client, err := ssh.Dial("tcp", listener.Addr().String(), &ssh.ClientConfig{
		User:            "alice",
		HostKeyCallback: ssh.FixedHostKey(signer.PublicKey()),
		Auth: []ssh.AuthMethod{ssh.KeyboardInteractive(func(_, _ string, prompts []string, _ []bool) ([]string, error) {
			if len(prompts) == 0 {
				return nil, nil
			}
			fmt.Printf("client: %q\n", prompts[0])
			return []string{answer}, nil
		})},
	})
	if err != nil {
		return err
	}
	return client.Close()
}
