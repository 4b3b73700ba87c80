package jose

import "encoding/binary"

// sextets[i][c] is the value of c as character i of a group of four in base64url
// (RFC 4648 section 5), shifted to its place in the 24 bits of the group;
// notBase64 if it is not of the alphabet.
var sextets = func() (t [4][256]uint32) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range t {
		for c := range t[i] {
			t[i][c] = notBase64
		}
		for value, c := range alphabet {
			t[i][c] = uint32(value) << (18 - 6*i)
		}
	}
	return t
}()

const notBase64 = 1 << 24

// decode decodes base64url without padding into dst, which must be long enough,
// and returns the part that it has filled. It refuses bits set beyond the last
// byte, so that every segment has one spelling, and line breaks, which
// encoding/base64 skips.
func decode(dst []byte, s string) ([]byte, error) {
	dst = dst[:len(s)*6/8]
	out := dst
	for len(s) >= 8 && len(out) >= 8 { // two groups, and two bytes that the next will overwrite
		high := sextets[0][s[0]] | sextets[1][s[1]] | sextets[2][s[2]] | sextets[3][s[3]]
		low := sextets[0][s[4]] | sextets[1][s[5]] | sextets[2][s[6]] | sextets[3][s[7]]
		if high|low >= notBase64 {
			return nil, errBase64
		}
		binary.BigEndian.PutUint64(out, uint64(high)<<40|uint64(low)<<16)
		s, out = s[8:], out[6:]
	}
	for len(s) >= 4 {
		group := sextets[0][s[0]] | sextets[1][s[1]] | sextets[2][s[2]] | sextets[3][s[3]]
		if group >= notBase64 {
			return nil, errBase64
		}
		out[0], out[1], out[2] = byte(group>>16), byte(group>>8), byte(group)
		s, out = s[4:], out[3:]
	}
	var group uint32
	switch len(s) {
	case 1:
		return nil, errBase64
	case 2:
		group = sextets[0][s[0]] | sextets[1][s[1]]
	case 3:
		group = sextets[0][s[0]] | sextets[1][s[1]] | sextets[2][s[2]]
	}
	if group >= notBase64 {
		return nil, errBase64
	}
	for i := range out {
		out[i] = byte(group >> 16)
		group = group << 8 & 0xFFFFFF
	}
	if group != 0 {
		return nil, errBase64
	}
	return dst, nil
}
