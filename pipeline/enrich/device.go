package enrich

import "strings"

// Types of device.
const (
	desktop = "desktop"
	mobile  = "mobile"
	tablet  = "tablet"
	tv      = "tv"
	console = "console"
	watch   = "watch"
)

// deviceWords tell the type of device by what an agent has in it; the first that fits counts.
var deviceWords = [...]struct {
	device string
	words  []string
}{
	{console, []string{"PlayStation", "PLAYSTATION", "Xbox", "Nintendo"}},
	{tv, []string{
		"SmartTV", "SMART-TV", "Smart-TV", "Smart TV", "AppleTV", "Apple TV", "tvOS", "GoogleTV", "Google TV", "Android TV", "AndroidTV", "HbbTV", "BRAVIA", "CrKey", "Roku", "Web0S", "webOS.TV",
		"NetCast", "DTV", "VIDAA", "; AFT", "Viera",
	}},
	{watch, []string{"Apple Watch", "Watch OS", "watchOS"}},
	{tablet, []string{"iPad", "Tablet", "tablet", "PlayBook", "Kindle", "; KF", "Silk/"}},
	{mobile, []string{"iPhone", "iPod", "Windows Phone", "BlackBerry", "BB10", "Opera Mini", "Opera Mobi", "KAIOS", "Symbian", "Mobile"}},
}

// desktops are the systems, as the library names them, of machines on desks.
var desktops = [...]string{"Windows", "Mac OS X", "Linux", "Ubuntu", "Chrome OS", "Fedora", "Debian", "FreeBSD", "OpenBSD", "NetBSD", "Solaris", "Red Hat", "SUSE", "Arch Linux", "Mint"}

// deviceOf tells the type of device from the agent and from what the library found its system to be; "" when it shows neither.
func deviceOf(agent, system string) string {
	for i := range deviceWords {
		for _, w := range deviceWords[i].words {
			if strings.Contains(agent, w) {
				return deviceWords[i].device
			}
		}
	}
	switch system {
	case "Android":
		// Browsers say Mobile on phones and nothing on tablets; apps say nothing on either.
		if strings.HasPrefix(agent, "Mozilla/") {
			return tablet
		}
		return mobile
	case "iOS":
		return mobile
	case "tvOS", "ATV OS X":
		return tv
	case "watchOS":
		return watch
	}
	for _, d := range desktops {
		if system == d {
			return desktop
		}
	}
	return ""
}
