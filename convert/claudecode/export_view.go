package claudecode

import (
	"context"
	"errors"
	"io"

	"github.com/ownlog/ownlog/convert"
)

func exportView(ctx context.Context, req convert.ExportRequest, s *survey) error {
	return errors.ErrUnsupported
}

func continueTranscript(ctx context.Context, req convert.ExportRequest, s *survey, w io.Writer) error {
	return errors.ErrUnsupported
}
