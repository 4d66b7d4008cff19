package images

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// Origin says where an image comes from.
type Origin string

const (
	// Built images come from the embedded recipe.
	Built Origin = "built"
	// Official images come from HADRILL_IMAGES=official.
	Official Origin = "official"
	// Override images were named by the user with HADRILL_IMAGE_<NAME>.
	Override Origin = "override"
)

// A Choice is the image a component will run.
type Choice struct {
	Component string
	Ref       string // always with a registry host part
	Origin    Origin
}

// Choose decides which image a component runs, from the environment:
//
//	HADRILL_IMAGE_<NAME>=ref   that reference, for this component
//	HADRILL_IMAGES=official    the public image of the component
//	HADRILL_IMAGES=built, ""   the embedded recipe
//	HADRILL_BASE=ref           what the recipes build FROM
//	HADRILL_BASE_SID=ref       the same for recipes on Debian sid
//
// The base itself is always built, since it carries the recipes' installer.
// <NAME> is the component in upper case with "_" for "-". A component without
// a recipe is accepted if its own variable is set. environment is a function
// like [os.LookupEnv]. References are completed with their registry host,
// since testcontainers puts its hub prefix before names that have none.
func Choose(component string, environment func(string) (string, bool)) (Choice, error) {
	known, unknown := Lookup(component)
	root, _ := environment(known.RootKey())
	if unknown == nil && known.IsBase() {
		return choose(component, root)
	}
	key := "HADRILL_IMAGE_" + strings.ToUpper(strings.ReplaceAll(component, "-", "_"))
	if ref, set := environment(key); set && ref != "" {
		full, err := complete(ref)
		if err != nil {
			return Choice{}, fmt.Errorf("%s=%q: %w", key, ref, err)
		}
		return Choice{Component: component, Ref: full, Origin: Override}, nil
	}
	mode, _ := environment("HADRILL_IMAGES")
	switch mode {
	case "", string(Built):
		return choose(component, root)
	case string(Official):
		found, err := Lookup(component)
		if err != nil {
			return Choice{}, err
		}
		if found.Official == "" {
			return Choice{}, fmt.Errorf("image %s: HADRILL_IMAGES=official, but no official image is known; name one with %s", component, key)
		}
		full, err := complete(found.Official)
		if err != nil {
			return Choice{}, fmt.Errorf("image %s: %w", component, err)
		}
		return Choice{Component: component, Ref: full, Origin: Official}, nil
	default:
		return Choice{}, fmt.Errorf("HADRILL_IMAGES=%q: want %q or %q", mode, Built, Official)
	}
}

func choose(component, root string) (Choice, error) {
	recipe, err := Load(component, root)
	if err != nil {
		return Choice{}, err
	}
	return Choice{Component: component, Ref: recipe.Ref(), Origin: Built}, nil
}

// complete adds the registry host and the tag that an engine would assume.
func complete(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	return reference.TagNameOnly(named).String(), nil
}
