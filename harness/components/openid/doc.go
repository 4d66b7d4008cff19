// Package openid is both ends of OpenID Connect that a drill needs: a small
// provider that signs tokens and rotates its keys, and the verifier that a
// gateway puts before its routes.
//
//	            Provider                              Verifier (in the gateway)
//	/.well-known/openid-configuration  ◀── once ──────┐
//	/keys    current, previous, next   ◀── every so often, and when a token
//	/token   a signed token                names a key it does not know
//
// What is drilled is how the two part: a provider that is down must keep nobody
// out whose token is good, and let nobody in whose token is not. So keys are
// cached and kept for as long as the provider cannot be asked; a key that is
// not known is refused (fail closed); and tokens that name unknown keys cannot
// make the gateway ask more than once in a while, or else whoever forges tokens
// could keep the provider busy.
//
// Rotation follows OpenID Connect Discovery 1.0 and RFC 7517: the next key is
// published one period before it signs, and the previous one is kept one period
// after, so that neither fresh nor old tokens meet a cache that is behind.
//
// Tokens are JSON Web Tokens (RFC 7519), signed with ES256. The verifier judges
// their times by the clock it had when it began, carried on by the monotonic
// clock: a clock that jumps back must not let an expired token in.
//
// Signatures are go-jose's, the rules of OpenID Connect are go-oidc's. The
// provider knows no users and no consent: it is there to be killed.
package openid
