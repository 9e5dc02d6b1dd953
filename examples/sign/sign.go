// Signed URLs in Go: go run sign.go SOURCE OPTIONS [EXTENSION]
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
)

func unhex(text string) []byte {
	data, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

var key, salt = unhex("736563726574"), unhex("68656c6c6f")

func signed(path string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(salt)
	mac.Write([]byte(path))
	return "/" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) + path
}

func image(source, options, extension string) string {
	path := "/" + options + "/" + base64.RawURLEncoding.EncodeToString([]byte(source))
	if extension != "" {
		path += "." + extension
	}
	return signed(path)
}

func main() {
	arguments := append(os.Args[1:], "")
	fmt.Println(image(arguments[0], arguments[1], arguments[2]))
}
