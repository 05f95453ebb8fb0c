package codex

import (
	"context"
	"errors"
	"io"

	"github.com/ownlog/ownlog/convert"
)

func exportView(ctx context.Context, req convert.ExportRequest, s *survey) error {
	return errors.ErrUnsupported
}

func appendView(ctx context.Context, req convert.ExportRequest, s *survey, out io.Writer) error {
	return errors.ErrUnsupported
}
