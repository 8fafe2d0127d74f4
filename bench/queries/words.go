package queries

// weighted is a word and how often it comes up.
type weighted struct {
	word   string
	weight float64
}

// place is a country with what people there have in common.
type place struct {
	country, locale, zone string
	cities                [4]string
	weight                float64
}

var places = []place{
	{"US", "en-US", "America/New_York", [4]string{"New York", "Chicago", "Seattle", "Austin"}, 26},
	{"DE", "de-DE", "Europe/Berlin", [4]string{"Berlin", "Hamburg", "Munich", "Cologne"}, 13},
	{"GB", "en-GB", "Europe/London", [4]string{"London", "Leeds", "Bristol", "Glasgow"}, 11},
	{"FR", "fr-FR", "Europe/Paris", [4]string{"Paris", "Lyon", "Lille", "Nantes"}, 8},
	{"IN", "en-IN", "Asia/Kolkata", [4]string{"Mumbai", "Pune", "Delhi", "Chennai"}, 7},
	{"BR", "pt-BR", "America/Sao_Paulo", [4]string{"São Paulo", "Recife", "Curitiba", "Belém"}, 6},
	{"NL", "nl-NL", "Europe/Amsterdam", [4]string{"Amsterdam", "Utrecht", "Rotterdam", "Delft"}, 5},
	{"CA", "en-CA", "America/Toronto", [4]string{"Toronto", "Vancouver", "Ottawa", "Calgary"}, 4},
	{"ES", "es-ES", "Europe/Madrid", [4]string{"Madrid", "Valencia", "Bilbao", "Sevilla"}, 4},
	{"PL", "pl-PL", "Europe/Warsaw", [4]string{"Warsaw", "Łódź", "Poznań", "Gdańsk"}, 3},
	{"IT", "it-IT", "Europe/Rome", [4]string{"Rome", "Milan", "Turin", "Bari"}, 3},
	{"SE", "sv-SE", "Europe/Stockholm", [4]string{"Stockholm", "Göteborg", "Malmö", "Uppsala"}, 2},
	{"JP", "ja-JP", "Asia/Tokyo", [4]string{"Tokyo", "Osaka", "Nagoya", "Sapporo"}, 2},
	{"AU", "en-AU", "Australia/Sydney", [4]string{"Sydney", "Perth", "Brisbane", "Hobart"}, 2},
	{"CH", "de-CH", "Europe/Zurich", [4]string{"Zürich", "Basel", "Bern", "Luzern"}, 1.5},
	{"AT", "de-AT", "Europe/Vienna", [4]string{"Wien", "Graz", "Linz", "Salzburg"}, 1.5},
	{"DK", "da-DK", "Europe/Copenhagen", [4]string{"Copenhagen", "Aarhus", "Odense", "Aalborg"}, 1},
	{"MX", "es-MX", "America/Mexico_City", [4]string{"Mexico City", "Puebla", "León", "Mérida"}, 1},
	{"KR", "ko-KR", "Asia/Seoul", [4]string{"Seoul", "Busan", "Incheon", "Daegu"}, 0.6},
	{"FI", "fi-FI", "Europe/Helsinki", [4]string{"Helsinki", "Turku", "Tampere", "Oulu"}, 0.4},
}

// gear is a device with its software.
type gear struct {
	device, os, osVersion, browser, browserVersion, agent string
	width, height                                         uint16
	weight                                                float64
}

var gears = []gear{
	{"desktop", "Windows", "10", "Chrome", "141", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", 1920, 1080, 27},
	{"desktop", "Mac OS", "10.15", "Chrome", "141", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", 1440, 900, 13},
	{"desktop", "Mac OS", "10.15", "Safari", "18.6", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15", 1512, 982, 8},
	{"desktop", "Windows", "10", "Edge", "141", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", 1536, 864, 6},
	{"desktop", "Linux", "", "Firefox", "143", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", 2560, 1440, 4},
	{"mobile", "iOS", "18.6", "Mobile Safari", "18.6", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1", 390, 844, 20},
	{"mobile", "Android", "10", "Chrome Mobile", "141", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36", 412, 915, 17},
	{"tablet", "iPadOS", "18.6", "Mobile Safari", "18.6", "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1", 820, 1180, 5},
}

var plans = []weighted{{"free", 62}, {"starter", 22}, {"pro", 12}, {"enterprise", 4}}

// source is how a visit came about.
type source struct {
	referrer              string // URL; empty: none
	host                  string // of referrer
	utm, medium, campaign string // empty: no campaign
	weight                float64
	member                string // of context, with its comma
	search                string // query of the first page
}

var sources = withMember([]source{
	{weight: 38},
	{referrer: "https://www.google.com/", host: "www.google.com", weight: 22},
	{referrer: "https://www.bing.com/", host: "www.bing.com", weight: 3},
	{referrer: "https://news.example.net/", host: "news.example.net", weight: 4},
	{referrer: "https://www.google.com/", host: "www.google.com", utm: "google", medium: "cpc", campaign: "brand", weight: 8},
	{referrer: "https://www.google.com/", host: "www.google.com", utm: "google", medium: "cpc", campaign: "autumn-sale", weight: 5},
	{utm: "newsletter", medium: "email", campaign: "weekly-41", weight: 4},
	{utm: "newsletter", medium: "email", campaign: "weekly-42", weight: 3},
	{utm: "newsletter", medium: "email", campaign: "weekly-43", weight: 3},
	{referrer: "https://m.facebook.com/", host: "m.facebook.com", utm: "facebook", medium: "social", campaign: "lookalike-eu", weight: 4},
	{referrer: "https://m.facebook.com/", host: "m.facebook.com", utm: "facebook", medium: "social", campaign: "retargeting", weight: 3},
	{referrer: "https://partner.example.org/", host: "partner.example.org", utm: "partner", medium: "referral", campaign: "spring-bundle", weight: 2},
	{utm: "podcast", medium: "audio", campaign: "episode-112", weight: 1},
})

func withMember(all []source) []source {
	for i := range all {
		if s := &all[i]; s.utm != "" {
			s.member = `"campaign":{"source":"` + s.utm + `","medium":"` + s.medium + `","name":"` + s.campaign + `"},`
			s.search = "?utm_source=" + s.utm + "&utm_medium=" + s.medium + "&utm_campaign=" + s.campaign
		}
	}
	return all
}

// The events that the questions ask for.
const (
	pageView         = "$pageview"
	productViewed    = "Product Viewed"
	productAdded     = "Product Added"
	checkoutStarted  = "Checkout Started"
	orderCompleted   = "Order Completed"
	signedUp         = "Signed Up"
	searchPerformed  = "Search Performed"
	productListShown = "Product List Viewed"
)

// features are what else people do, by Zipf's law.
var features = []string{
	searchPerformed, productListShown, "Filter Applied", "Image Zoomed", "Review Read", "Wishlist Opened", "Banner Seen", "Banner Clicked", "Video Played", "Video Paused",
	"Size Guide Opened", "Coupon Tried", "Share Clicked", "Help Opened", "Chat Started", "Chat Ended", "Store Finder Used", "Newsletter Toggled", "Cart Viewed", "Product Removed",
	"Shipping Estimated", "Payment Method Changed", "Address Added", "Profile Edited", "Password Changed", "Language Changed", "Review Written", "Return Requested", "Survey Answered",
	"Order Tracked", "Invoice Downloaded", "Gift Card Bought", "Error Shown",
}

var (
	adjectives = []string{"Light", "Soft", "Wild", "Plain", "Heavy", "Royal", "Quiet", "Bright", "Early", "Dry", "Slow", "Urban", "Nordic", "Folded", "Dark", "Fresh"}
	materials  = []string{"Linen", "Wool", "Oak", "Steel", "Cotton", "Glass", "Clay", "Cork", "Leather", "Bamboo", "Copper", "Felt", "Stone", "Paper", "Silk", "Rubber"}
	things     = []string{"Chair", "Lamp", "Jacket", "Kettle", "Rug", "Desk", "Mug", "Blanket", "Shelf", "Basket", "Clock", "Mirror", "Bottle", "Bench", "Tray", "Vase"}
	categories = []string{"furniture", "lighting", "clothing", "kitchen", "decor", "office", "outdoor", "bath"}
	brands     = []string{"Arden", "Bolt & Sons", "Caldera", "Dunmore", "Elvø", "Fjordline", "Gantry", "Hollis", "Ivar", "Juno"}
	colors     = []string{"black", "white", "sand", "olive", "navy", "rust", "grey", "mint"}
	lists      = []string{"search", "home", "category", "related", "wishlist", "email"}
	payments   = []string{"card", "invoice", "wallet", "transfer"}
	sections   = []string{"home", "blog", "help", "account", "pricing", "about", "press", "jobs"}
)
