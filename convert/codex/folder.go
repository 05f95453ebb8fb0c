package codex

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/ownlog/ownlog/convert"
)

// readFolder returns the folder that a rollout's session worked in: the first that
// one of its first records names, empty if none does. 0.25.0 names it only in
// the environment that it tells the model.
func readFolder(ctx context.Context, src convert.Source, f convert.File) (string, error) {
	content, err := openRollout(ctx, src, f)
	if err != nil {
		return "", err
	}
	folder, err := findFolder(content, src.Final)
	return folder, errors.Join(err, content.Close())
}

func findFolder(content io.Reader, final bool) (string, error) {
	r := convert.NewRecordReader(content, final)
	var line, body object
	for range maxIdentify {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if rec.Damaged {
			continue
		}
		line.parseText(rec.Bytes)
		payload := line.get("payload")
		if payload == nil {
			payload = rec.Bytes
		}
		switch body.parse(payload); line.str("type") {
		case "session_meta", "turn_context":
			if folder := body.str("cwd"); folder != "" {
				return folder, nil
			}
		case "message", "response_item":
			if _, told, found := strings.Cut(string(body.get("content")), "<environment_context>"); found {
				if _, rest, found := strings.Cut(told, "<cwd>"); found {
					folder, _, _ := strings.Cut(rest, "</cwd>")
					return value(`"` + folder + `"`).text(), nil
				}
			}
		}
	}
	return "", nil
}
