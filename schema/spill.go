package schema

import "fmt"

// Spill makes an event fit into max bytes.
func Spill(ev *Event, max int, put func(data []byte, media string) (Blob, error)) error {
	b, err := Encode(nil, ev)
	if err != nil {
		return err
	}
	if len(b) > max {
		return fmt.Errorf("%w: %d bytes", ErrEvent, len(b))
	}
	return nil
}
