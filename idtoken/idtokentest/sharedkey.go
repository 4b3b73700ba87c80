package idtokentest

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
)

// NewSharedIssuer returns an issuer with the RSA key that is part of this package.
// It is there at once, where [NewIssuer] takes up to a second, and all such issuers
// have the same key. Everybody can read it, so it is for tests alone.
func NewSharedIssuer() *Issuer {
	return &Issuer{URL: "https://accounts.google.com", keys: []*key{sharedKey()}}
}

func sharedKey() *key {
	der, err := base64.StdEncoding.DecodeString(sharedPKCS1)
	if err != nil {
		panic(fmt.Sprintf("idtokentest: the shared key: %v", err)) // it is a constant
	}
	private, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		panic(fmt.Sprintf("idtokentest: the shared key: %v", err))
	}
	return keyOf(private)
}

// sharedPKCS1 is a private key (RFC 8017 appendix A.1.2) that signs nothing but tests.
const sharedPKCS1 = "" +
	"MIIEowIBAAKCAQEA2RIoboj3otgA/A0g+bgpdqfbUGJGpAQdbaI74sOdKRxPMOzc4RlaO1wkp71sKUi13q7KMVkzGSvQ+EjcnW29" +
	"/JoVH8/SddsNOYlUBkzkF+SYKakJmnCozLx7IxwWwzX/P/eDmn3PwaRS+b/pRKULsoxzCpfmPyLna1t/j2KRlorVG3OrFk+hccJ9" +
	"zfq3B15KaaXUKNBHEMQLuLxqSaGB1nZb5uGCQ7MVmHpShyLHOZlddhLdWhM5Mw5ziPUk2mn9UEHzNde2H0APtXU23BmID/PRohIN" +
	"thQ07INXaGrjbtKuFD/fWhR866xnRYiWMUeDqKMnJhlIV9rXS5O+OkG6EQIDAQABAoIBAEoQxYXtqx0/uZpG+oTqXw9y98SGO9cz" +
	"5jyluexGVYYU+DpX34fYyC5v4rvvSIwPmKqqFihfaK2Cg1NsPQZkTwp1IpcPqJ55BxqmLmrV6o/yei7g0/uDzDzLZPKWX3ftITJY" +
	"yGk621wVrxAzeKro68RY4tnu+Wt6g97gQfaRKd7k0BnxYy7496R6AsJ4POmKyDIW8xW11XN7Dt/gzU/8w5ig71nGpyc16qw4MGho" +
	"fRr3a6pNue2IDnmZeFemsEE/WVf8ZukkrRW25YCGGuj+9Kj/i7spPeyLrnVVqAnXxaXlvbKlzi+vC3JXCifVnA936iWyzfn+wZQ8" +
	"jRbPuK3fDy8CgYEA47bg3ZeZaDltRg464nqTalPB0U2vFUyg9/0zp9N+HtdonhZp60I7cB7WZ6L2sPfsd4m8EIbT+tdVW+gRlQXH" +
	"BWapQD+va7JJs/+7IXSV+Ai6PeRERRQSbsJs6e2k/cF2JcQkNp69LnkPs89dttipBffgtHrDIvnHeUZMjnFbzgsCgYEA9AjTywA3" +
	"6G+mKO9qBXKtQv/1uyXmK83CWMWeO/4l9LSCD8aQeqrKuNC+8gW+0ai+YMtwI12B+bCePbib/QwxmeDjJHnkMaWr5ACOoHcOc3K9" +
	"IFXBuk1UKU5ZPy7Q6o1daDx38gGl1wVZphAXg8Dptdqx7owexRrfeW9djQkQFdMCgYEA3l7Vgq+riIMj+dilmks3MAsw53MkOfmF" +
	"7AZgblBzBi03JcIflzUrlBcZK0WSAElrq2Reugjgc0HbQpACs3Nb4iNZvrsyVEpb/SILnOUcGoZzUUNbg9XRFkZZU6vVhlRpSwIa" +
	"lxg3CG4CboZfLtKvZHum/LgxXTNsnzqOQj/i9fcCgYA6hidsxrehuazqokgV2GOu7r2azUL+/FCAg5woHRIzNlr+t4sMsAr/+afh" +
	"WPljRImrov5YrOMv42h/utdF/3ehxKoUpFrSgT3Q50VNPGAt1bV/nLFiIYtugIisu2iE57Qf/GhzlGuWPoU6ax+IjGpAH5uObvIu" +
	"KPyxHcEcwrCl2wKBgGy8FvrzUGKSl+/CbG6Z8MjN04fGAMuU9eoM2AAsvPnXcdJTvhEcF8ifONz7d3+v3agYJ+55nBmGmgNTHNcM" +
	"VCZRwIMsYbWIX8ubpGSIL6r2gD2y6KnwA5ArehFS+A6kXivT278h8ryqIQZuXTibwvIn2dLEo9gjF+xJyhc7Lj3s"
