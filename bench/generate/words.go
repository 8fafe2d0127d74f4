package generate

// The vocabulary. All of it is ASCII and needs no escapes in JSON.

var eventObjects = []string{
	"Button", "Video", "Filter", "Search", "Coupon", "Wishlist", "Review", "Account", "Subscription", "Invoice", "Report", "Dashboard", "Project", "Task", "Comment",
	"File", "Notification", "Survey", "Experiment", "Tooltip", "Banner", "Form", "Article", "Newsletter", "Trial", "Seat", "Integration", "Workspace", "Message",
	"Address", "Shipment", "Refund", "Gift Card", "Store Locator", "Chat", "Tutorial", "Export",
}

var eventActions = []string{
	"Clicked", "Viewed", "Started", "Completed", "Opened", "Closed", "Created", "Updated", "Deleted", "Shared", "Submitted", "Dismissed", "Saved", "Failed", "Applied",
	"Removed", "Renamed", "Invited", "Upgraded", "Cancelled",
}

var firstNames = []string{
	"anna", "ben", "carla", "david", "elena", "felix", "grace", "hugo", "ines", "jonas", "kira", "liam", "maria", "noah", "olga", "paul", "quinn", "rosa", "sam", "tara",
	"ugo", "vera", "wim", "xenia", "yara", "zoe", "amir", "chen", "diego", "fatima", "hiro", "ivan", "kofi", "lucia", "mei", "nia", "omar", "priya", "sven", "tomas",
}

var lastNames = []string{
	"abel", "becker", "costa", "dubois", "eriksen", "fischer", "garcia", "haas", "ito", "jansen", "kim", "lopez", "martin", "nguyen", "okafor", "park", "quist", "rossi",
	"schmidt", "tanaka", "ueda", "vogel", "weber", "xu", "yilmaz", "zhang", "ahmed", "brown", "clark", "davies", "evans", "ford", "green", "hill", "jones", "king",
}

var categories = []string{
	"shoes", "jackets", "bags", "watches", "headphones", "laptops", "cameras", "kitchen", "garden", "toys", "books", "bikes", "lighting", "sofas", "skin-care", "coffee",
}

var brands = []string{"Northwind", "Acme", "Luma", "Voltra", "Kestrel", "Oakline", "Bluefin", "Hearth", "Zephyr", "Monolith", "Fernway", "Quanta"}

var adjectives = []string{
	"Classic", "Light", "Urban", "Trail", "Compact", "Premium", "Everyday", "Vintage", "Active", "Soft", "Solid", "Smart", "Eco", "Pro", "Mini", "Max", "Slim", "Warm",
}

var colors = []string{"black", "white", "navy", "olive", "sand", "red", "teal", "grey", "rose", "amber"}

var currencies = []string{"EUR", "USD", "GBP", "SEK", "PLN", "JPY", "BRL"}

var plans = []string{"free", "starter", "team", "business", "enterprise"}

var industries = []string{"retail", "software", "health", "education", "logistics", "media", "finance", "travel"}

var cities = []string{"Berlin", "Paris", "Madrid", "London", "Oslo", "Vienna", "Lisbon", "Dublin", "Austin", "Toronto", "Osaka", "Sydney", "Nairobi", "Lima", "Mumbai", "Seoul"}

// filler is what running text is made of.
var filler = []string{
	"the", "order", "was", "delivered", "to", "customer", "and", "a", "new", "version", "of", "page", "is", "shown", "when", "filter", "changes", "with", "price", "from",
	"stock", "for", "our", "spring", "sale", "please", "contact", "support", "about", "returns", "within", "thirty", "days", "this", "item", "ships", "free", "in", "most",
	"countries", "except", "islands", "quality", "materials", "made", "by", "hand", "since", "size", "runs", "small", "we", "recommend", "one", "up", "battery", "lasts", "hours",
}

var referrers = []string{
	"https://www.google.com/", "https://www.bing.com/search?q=running+shoes", "https://news.ycombinator.com/", "https://www.instagram.com/", "https://t.co/a1B2c3D4e5",
	"https://blog.example.org/best-gifts-of-the-year", "https://partner.example.net/deals?ref=77&utm=x", "https://duckduckgo.com/",
}

var campaigns = []string{
	`"campaign":{"name":"spring-sale","source":"newsletter","medium":"email"}`,
	`"campaign":{"name":"brand-search","source":"google","medium":"cpc","term":"running shoes","content":"ad-4"}`,
	`"campaign":{"name":"retargeting-q3","source":"facebook","medium":"paid-social","content":"carousel"}`,
	`"campaign":{"name":"launch","source":"producthunt","medium":"referral"}`,
}

var userAgents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15",
	"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36 Edg/143.0.0.0",
}

var locales = []string{"en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "ja-JP", "pt-BR", "pl-PL", "zh-CN", "sv-SE"}

var timezones = []string{"Europe/Berlin", "America/New_York", "Asia/Tokyo", "Europe/London", "America/Sao_Paulo", "Australia/Sydney"}

var screens = []string{
	`"screen":{"width":1920,"height":1080}`, `"screen":{"width":1440,"height":900,"density":2}`, `"screen":{"width":2560,"height":1440}`,
	`"screen":{"width":390,"height":844,"density":3}`, `"screen":{"width":412,"height":915,"density":2.625}`,
}

// phones are what a mobile SDK says of itself and of what it runs on.
var phones = []struct{ library, device string }{
	{`"library":{"name":"analytics-ios","version":"4.1.8"}`, `"os":{"name":"iOS","version":"18.5"},"device":{"type":"ios","manufacturer":"Apple","model":"iPhone17,1"}`},
	{`"library":{"name":"analytics-react-native","version":"2.21.2"}`, `"os":{"name":"iOS","version":"17.6.1"},"device":{"type":"ios","manufacturer":"Apple","model":"iPhone14,5"}`},
	{`"library":{"name":"analytics-android","version":"4.11.3"}`, `"os":{"name":"Android","version":"15"},"device":{"type":"android","manufacturer":"Google","model":"Pixel 9"}`},
	{`"library":{"name":"analytics-android","version":"4.11.3"}`, `"os":{"name":"Android","version":"14"},"device":{"type":"android","manufacturer":"samsung","model":"SM-S921B"}`},
}
