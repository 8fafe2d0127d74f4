package demo

// country is where people live. Conversion and patience are relative: how many of those who see the product want it, and how many of those go through a form.
type country struct {
	code       string
	weight     float64
	east       int64 // minutes ahead of UTC
	locale     string
	mobile     float64 // share of people who come by phone
	apple      float64 // share of phones that are iPhones
	conversion float64
	patience   float64
}

var countries = []country{
	{"US", 0.30, -300, "en-US", 0.40, 0.58, 1.00, 1.00},
	{"DE", 0.13, 60, "de-DE", 0.34, 0.38, 0.95, 0.92},
	{"IN", 0.12, 330, "en-IN", 0.70, 0.06, 0.70, 0.84},
	{"GB", 0.11, 0, "en-GB", 0.43, 0.52, 1.05, 1.00},
	{"FR", 0.08, 60, "fr-FR", 0.41, 0.36, 0.85, 0.94},
	{"BR", 0.07, -180, "pt-BR", 0.66, 0.18, 0.72, 0.82},
	{"CA", 0.05, -300, "en-CA", 0.40, 0.58, 1.00, 1.00},
	{"JP", 0.05, 540, "ja-JP", 0.52, 0.66, 0.75, 0.97},
	{"NL", 0.05, 60, "nl-NL", 0.36, 0.42, 1.15, 1.02},
	{"AU", 0.04, 600, "en-AU", 0.43, 0.56, 1.05, 1.00},
}

// platform is what somebody looks at the product with.
type platform struct {
	device, os, version, browser string
	width, height                int
	weight                       float64
}

const safari = "Safari" // the browser in which the broken release does not work

var desktops = []platform{
	{"desktop", "Windows", "11", "Chrome", 1920, 1080, 0.36},
	{"desktop", "Windows", "11", "Edge", 1536, 864, 0.13},
	{"desktop", "Windows", "10", "Firefox", 1366, 768, 0.06},
	{"desktop", "macOS", "15.3", safari, 1512, 982, 0.18},
	{"desktop", "macOS", "15.3", "Chrome", 1728, 1117, 0.18},
	{"desktop", "Linux", "6.12", "Firefox", 2560, 1440, 0.09},
}

var tablets = []platform{
	{"tablet", "iOS", "18.3", safari, 820, 1180, 0.72},
	{"tablet", "Android", "15", "Chrome", 800, 1280, 0.28},
}

var (
	iPhone   = platform{"mobile", "iOS", "18.3", safari, 390, 844, 1}
	androids = []platform{
		{"mobile", "Android", "15", "Chrome", 412, 915, 0.82},
		{"mobile", "Android", "14", "Samsung Internet", 384, 854, 0.18},
	}
)

// ease is how many go through what they began on a device, relative to a desktop.
func (p *platform) ease() float64 {
	switch p.device {
	case "mobile":
		return 0.76
	case "tablet":
		return 0.88
	}
	return 1
}

// channel is how people get to know the product. Loyalty is how many of those who sign up come back, relative to others.
type channel struct {
	source, medium, campaign string // as in links; empty: the link says nothing
	referrer                 string // the page they come from; empty: none
	weight                   float64
	conversion, loyalty      float64
	landing                  []page
}

var channels = []channel{
	{"", "", "", "https://www.google.com/", 0.27, 1.00, 1.00, []page{home, home, features, blog, pricing}},
	{"", "", "", "", 0.25, 1.15, 1.10, []page{home, home, home, pricing}},
	{"google", "cpc", "brand", "https://www.google.com/", 0.14, 0.90, 0.90, []page{home, pricing}},
	{"", "", "", "https://news.ycombinator.com/", 0.09, 0.60, 0.70, []page{blog}},
	{"linkedin", "social", "planning-tips", "https://www.linkedin.com/", 0.11, 0.60, 0.75, []page{blog, features}},
	{"newsletter", "email", "weekly", "", 0.08, 1.30, 1.30, []page{blog, features, pricing}},
	{"partners", "referral", "marketplace", "https://marketplace.example/", 0.06, 1.70, 1.60, []page{customers, pricing, signupPage}},
}

// launchCampaign brings many people on one day, and they are not those who stay.
var launchCampaign = channel{"podcast", "audio", "autumn-launch", "", 1, 0.45, 0.40, []page{home}}

// plan is what a subscription costs in a month, in cents.
type plan struct {
	name   string
	cents  int64
	weight float64
}

var plans = []plan{{"starter", 1200, 0.52}, {"team", 3900, 0.36}, {"business", 9900, 0.12}}

// yearly is how many months are paid for a year.
const yearly = 10

// price is what is paid at once for a month or a year.
func (p *plan) price(year bool) int64 {
	if year {
		return p.cents * yearly
	}
	return p.cents
}
