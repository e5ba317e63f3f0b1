package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// deviceNumber is a block device's major and minor number.
type deviceNumber struct{ major, minor uint32 }

func (n deviceNumber) String() string { return fmt.Sprintf("%d:%d", n.major, n.minor) }

// describe reads what the kernel tells of a block device. In a container parts
// of it may be hidden; they stay empty.
func describe(n deviceNumber) Device {
	device := Device{Number: n.String(), Name: diskstatsName(n)}
	dir, err := filepath.EvalSymlinks("/sys/dev/block/" + n.String())
	if err != nil {
		device.Disk = device.Name
		return device
	}
	if device.Name == "" {
		device.Name = kernelName(dir)
	}
	// The directory of a partition lies in that of its disk.
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		dir = filepath.Dir(dir)
	}
	device.Disk = kernelName(dir)
	device.addQueue(filepath.Join(dir, "queue"))
	return device
}

func (d *Device) addQueue(dir string) {
	switch readLine(filepath.Join(dir, "rotational")) {
	case "1":
		d.Rotational = new(true)
	case "0":
		d.Rotational = new(false)
	}
	d.WriteCache = readLine(filepath.Join(dir, "write_cache"))
	d.Scheduler = chosen(readLine(filepath.Join(dir, "scheduler")))
}

// chosen returns the word in brackets of a line such as "none [mq-deadline]".
func chosen(line string) string {
	_, rest, ok := strings.Cut(line, "[")
	word, _, closed := strings.Cut(rest, "]")
	if ok && closed {
		return word
	}
	return line
}

// kernelName turns the name of a directory in /sys into the device's: a slash
// in a name is shown as an exclamation mark there.
func kernelName(dir string) string {
	return strings.ReplaceAll(filepath.Base(dir), "!", "/")
}

// sysName is the directory in /sys of a whole disk.
func sysName(disk string) string {
	return filepath.Join("/sys/block", strings.ReplaceAll(disk, "/", "!"))
}

// numberOf returns the number of a device by its name in /sys.
func numberOf(name string) (deviceNumber, bool) {
	var n deviceNumber
	_, err := fmt.Sscanf(readLine(filepath.Join("/sys/class/block", name, "dev")), "%d:%d", &n.major, &n.minor)
	return n, err == nil
}

// diskstatsName looks a device up in /proc/diskstats, where its counters are.
func diskstatsName(n deviceNumber) string {
	data, err := os.ReadFile("/proc/diskstats")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[0]+":"+fields[1] == n.String() {
			return fields[2]
		}
	}
	return ""
}

// readLine returns a file's text without the line's end, or "".
func readLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
