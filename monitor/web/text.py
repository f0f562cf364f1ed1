"""Every string that a page shows: the one catalogue, in Vietnamese; and how numbers and instants are written. Pure."""

from datetime import datetime
from math import isfinite
from zoneinfo import ZoneInfo

from monitor.core.access import Role
from monitor.core.attribution import FactKind, PowerSource
from monitor.core.bulk import Column, Fault
from monitor.core.checkin import PowerSupply, Voice
from monitor.core.detection import Hold
from monitor.core.model import (
    Cause,
    Certainty,
    Change,
    CheckState,
    IncidentState,
    Mode,
    NodeKind,
    PointState,
    Tier,
    Tree,
)
from monitor.core.power import BROWSER, UPS
from probes.model import Failure, Layer

TEXT = {
    "product": "Giám sát điểm cầu",
    "board": "Bảng theo dõi",
    "skip": "Đến danh sách sự cố",
    "phase": "Giai đoạn",
    "server_time": "Giờ máy chủ",
    "light": "Nền sáng",
    "dark": "Nền tối",
    "live": "Trực tiếp",
    "connecting": "Đang kết nối…",
    "disconnected": "Mất kết nối với máy chủ giám sát",
    "stale": "Mất kết nối với máy chủ giám sát từ {since}. Số liệu bên dưới dừng ở thời điểm đó; đang kết nối lại…",
    "blind": "Hệ thống giám sát mất tầm nhìn từ {since}: không kết luận về các điểm cầu.",
    "ready_title": "Điểm cầu sẵn sàng",
    "ready_of": "trên {expected} điểm cầu dự kiến",
    "ready_rule": "Sẵn sàng: đã kết nối ổn định liên tục {minutes} và đủ báo cáo theo quy định.",
    "report_left": "Còn {left} đến hạn báo cáo {at}",
    "report_over": "Đã qua hạn báo cáo {at}",
    "begin_left": "Còn {left} đến giờ khai mạc {at}",
    "begin_over": "Đã khai mạc lúc {at}",
    "days": "{days} ngày {clock}",
    "tiers_title": "Theo cấp",
    "tier": "Cấp",
    "ready": "Sẵn sàng",
    "expected": "Dự kiến",
    "states_title": "Theo trạng thái",
    "why": "Suy giảm: {causes}.",
    "legend_tile": "Số ở góc ô: điểm đang kết nối trên số điểm dự kiến.",
    "legend_size": "Ô càng lớn, cấp càng cao.",
    "map_title": "Bản đồ điểm cầu theo địa bàn",
    "map_hint": "Dùng phím mũi tên để xem từng điểm, Enter để mở.",
    "map_needs_script": "Bản đồ cần JavaScript; số liệu và danh sách ở trang này là của lúc tải trang.",
    "tile_label": "{name}: {up} trên {expected} điểm đang kết nối, {down} mất kết nối",
    "tile_label_quiet": "{name}: {up} trên {expected} điểm đang kết nối",
    "tile_label_unknown": "{name}: {expected} điểm, chưa rõ trạng thái",
    "province_tile": "Tỉnh ủy và cơ quan cấp tỉnh",
    "district_unknown": "Địa bàn {code}",
    "down_title": "Đang mất kết nối",
    "down_none": "Không có điểm cầu nào mất kết nối.",
    "down_blind": "Không kết luận trong khi hệ thống giám sát mất tầm nhìn.",
    "down_group": "{district}: {count} điểm",
    "down_group_province": "Cấp tỉnh: {count} điểm",
    "down_more": "và {count} điểm nữa",
    "names_more": "{names} và {count} điểm nữa",
    "down_summary": "{count} điểm cầu đang mất kết nối. Mới nhất: {newest}.",
    "since": "từ {at}",
    "alerts_title": "Cảnh báo đang phát",
    "alerts_none": "Không có cảnh báo.",
    "alerts_more": "và {count} cảnh báo nữa",
    # incidents
    "incidents_title": "Sự cố",
    "incidents_none": "Không có sự cố nào.",
    "incidents_more": "và {count} sự cố nữa",
    "incidents_summary": "{count} sự cố đang diễn ra. Mới nhất: {newest}.",
    "incidents_all": "Tất cả sự cố",
    "incidents_light": "Chọn một sự cố để làm nổi các điểm của nó trên bản đồ; Esc để bỏ chọn.",
    "incident_why": "Vì sao",
    "doubt": "Chưa rõ: {names}",
    "either": "{first} hoặc {last}",
    "other_nodes": "{count} nút khác",
    "doubt_company": "{companies} cùng kiểm tra",
    "and": "{first} và {last}",
    "and_more": "và {count} nữa",
    "doubt_anyone": "VNPT và điện lực cùng kiểm tra",
    "site_company": "Điểm cầu tự kiểm tra",
    "no_company": "Chưa khai báo đơn vị quản lý",
    "sites": "Tại điểm cầu: {count} điểm",
    "points": "{count} điểm",
    "points_on_battery": "{count} điểm chạy ắc quy",
    "or_else": "{sure}, hoặc {other}",
    "owned": "{node} ({company})",
    # the pages of incidents
    "incidents_today": "Sự cố hôm nay",
    "incidents_ongoing": "Đang diễn ra",
    "incidents_over": "Đã kết thúc hôm nay",
    "incidents_over_none": "Hôm nay chưa có sự cố nào kết thúc.",
    "incidents_hidden": "và {count} sự cố cũ hơn",
    "back_incidents": "Về danh sách sự cố",
    "incident": "Sự cố",
    "ended": "đến {at}",
    "over_at": "{state} lúc {at}",
    "became": "thay bằng: ",
    "recovering": "hồi phục",
    "node_sure": "Đúng nút này: {percent}",
    "owner_sure": "Đúng đơn vị phải xử lý: {percent}",
    "company": "Đơn vị phải xử lý",
    "certainty": "Mức chắc chắn",
    "share_hint": "Thanh sang phải: ủng hộ kết luận; sang trái: phản bác. Trọng số tính bằng nat, thang lôgarit.",
    "share_for": "ủng hộ, {nats} nat",
    "share_against": "phản bác, {nats} nat",
    "no_evidence": "Chưa có chứng cứ nào được ghi lại.",
    "runner_up": "Khả năng thứ hai",
    "odds": "kém khả năng hơn {times} lần",
    "odds_vast": "kém khả năng hơn 1.000 lần trở lên",
    "indistinguishable": "Không phân biệt được với",
    "secondary": "Ngừng theo vì mất nguồn",
    "path": "Vị trí trong mạng lưới",
    "incident_points": "Các điểm cầu",
    "still_down": "Đang mất kết nối",
    "still_on_battery": "Đang chạy ắc quy",
    "back_up": "Đã kết nối lại",
    "no_points": "Không có điểm nào.",
    "timeline": "Diễn biến",
    "of_incident": "Thuộc sự cố",
    "error_incident": "Không tìm thấy sự cố",
    "error_incident_hint": "Không có sự cố nào mang mã này từ khi hệ thống khởi động.",
    "open": "Xem chi tiết",
    "back": "Về bảng theo dõi",
    "seconds": "{n} giây",
    "minutes": "{n} phút",
    "hours": "{n} giờ",
    # the page of one point
    "point": "Điểm cầu",
    "updated": "Cập nhật lúc {at}",
    "updates_itself": "Trang tự cập nhật 5 giây một lần.",
    "point_stale": "Không cập nhật được từ {since}: mất kết nối với máy chủ giám sát. Đang thử lại…",
    "facts": "Thông tin",
    "id": "Mã điểm cầu",
    "mode": "Hình thức",
    "role": "Vai trò",
    "address": "Địa chỉ",
    "district": "Địa bàn",
    "commune_code": "Mã xã",
    "merged_into": "Ghép vào",
    "backup_link": "Đường dự phòng",
    "ups": "Bộ lưu điện (UPS)",
    "checks": "Các phép kiểm tra",
    "no_checks": "Không có phép kiểm tra nào cho điểm cầu này.",
    "rtt": "Độ trễ khứ hồi (RTT)",
    "loss": "Tỷ lệ mất gói",
    "jitter": "Biến động trễ",
    "interval": "Chu kỳ",
    "probes": "Đã đo",
    "probes_of": "{probes} lần, {losses} lần mất",
    "last": "Lần đo gần nhất",
    "never": "chưa đo lần nào",
    "last_good": "có trả lời",
    "hold": "Đang cân nhắc",
    "layers": "Các lớp",
    "layer_unheard": "chưa có số liệu",
    "layer_sound": "tốt",
    "layer_broken": "hỏng",
    "heard": "nghe lần cuối {ago}",
    "just_now": "vừa xong",
    "seconds_ago": "{n} giây trước",
    "minutes_ago": "{n} phút trước",
    "hours_ago": "{n} giờ trước",
    "mos": "Điểm chất lượng thoại (MOS)",
    "mos_of": "{score} trên 5, {word}",
    "page_check": "trang của điểm cầu",
    "on_mains": "điện lưới",
    "on_its_battery": "máy chạy bằng pin",
    "on_battery": "đang chạy bằng ắc quy từ {since}",
    "battery_left": "còn {n} phút",
    "charge": "{percent} pin",
    "flapping": "Chập chờn",
    "hour": "Một giờ qua",
    "hour_of": "{module}: độ trễ và mất gói trong một giờ qua",
    "hour_summary": "Độ trễ lớn nhất {rtt}, mất {lost} trên {sent} gói.",
    "hour_empty": "Chưa có số liệu trong một giờ qua.",
    "chart_rtt": "Độ trễ (ms)",
    "chart_loss": "Mất gói (%)",
    "chart_gap": "không quan sát",
    "network": "Đường truyền",
    "power": "Nguồn điện",
    "no_tree": "Chưa khai báo.",
    "operator": "đơn vị quản lý: {operator}",
    "fed_by": "cấp điện: {node}",
    # the point's own page, open at the site
    "page_connected": "Đã kết nối với trung tâm",
    "page_connecting": "Đang kết nối…",
    "page_again": "Đang kết nối lại…",
    "page_offline": "Máy này không có mạng",
    "page_unanswered": "Trung tâm không trả lời",
    "page_revoked": "Đường dẫn này không còn hiệu lực. Hãy xin trung tâm đường dẫn mới.",
    "page_crowded": "Điểm cầu này đang mở trang trên quá nhiều máy: máy này đã được ngắt.",
    "page_resume": "Kết nối lại trên máy này",
    "page_needs_script": "Trang này cần JavaScript để giữ kết nối với trung tâm.",
    "page_seen": "Điểm cầu của bạn: {state}",
    "page_seen_ms": "Điểm cầu của bạn: {state}, {ms}",
    "page_since": "từ {at}",
    "page_keep": "Giữ trang này mở suốt buổi lễ.",
    "page_awake": "Màn hình được giữ sáng.",
    "page_sleeps": "Hãy tắt chế độ tự khóa màn hình.",
    "page_rtt": "Độ trễ",
    "page_loss": "Mất gói",
    "page_jitter": "Biến động trễ",
    "page_power": "Nguồn điện",
    "page_up_since": "Giữ kết nối từ",
    "page_power_lost": "Mất nguồn điện: máy đang chạy bằng pin",
    "page_mains": "Đang cắm điện",
    "page_charging": "Đang cắm điện, pin {charge}",
    "page_battery": "Chạy bằng pin, còn {charge}",
    "page_left_minutes": "Pin còn dùng được khoảng {minutes} phút.",
    "page_left_hours": "Pin còn dùng được khoảng {hours} giờ {minutes} phút.",
    "page_none": "Máy không cho biết",
    # the page behind the link of a message to a desk
    "ack_button": "ĐÃ TIẾP NHẬN",
    "ack_again": "CẬP NHẬT",
    "ack_all": "Tiếp nhận tất cả",
    "ack_when": "Dự kiến khắc phục xong sau",
    "ack_unknown_when": "chưa biết",
    "ack_at": "hoặc lúc",
    "ack_note": "Ghi chú",
    "ack_said": "{who} đã tiếp nhận lúc {at}",
    "ack_until": ", dự kiến xong lúc {at}",
    "ack_since": "Từ {at}, {points} điểm cầu",
    "ack_over": "Đã kết thúc lúc {at}.",
    "ack_alert": "Cảnh báo",
    "ack_points": "{count} điểm cầu bị ảnh hưởng",
    "ack_others": "Các sự cố khác của đơn vị",
    "ack_past": "Đã kết thúc trong 24 giờ qua",
    "ack_hint": "Bấm nút để trung tâm biết đơn vị đã nhận và không phải báo lên cấp trên.",
    "ack_owner": "Đơn vị xử lý",
    "ack_probability": "Mức chắc chắn",
    "ack_halls": "Điểm cầu mất",
    "ack_speaker": "Sắp phát biểu",
    "ack_place": "Địa bàn",
    "ack_evidence": "Căn cứ",
    "ack_link": "Đường dẫn không dùng được",
    "ack_forged": "Đường dẫn hoặc biểu mẫu này không phải của hệ thống. Hãy mở lại từ tin nhắn.",
    "ack_expired": "Đường dẫn hoặc biểu mẫu này đã hết hạn. Hãy mở lại từ tin nhắn mới nhất.",
    "ack_replayed": "Biểu mẫu này đã được gửi trước đó. Tình trạng hiện nay ở dưới đây.",
    "ack_over_now": "Sự cố này đã kết thúc, không cần tiếp nhận nữa.",
    "ack_unknown": "Không tìm thấy sự cố của đường dẫn này.",
    "drill": "DIỄN TẬP",
    "acknowledged": "Tiếp nhận",
    "acknowledged_nobody": "chưa ai",
    "ack_button_low": "Đã tiếp nhận",
    "ack_done_at": "Dự kiến xong lúc",
    "error_link": "Đường dẫn không có hiệu lực",
    "error_link_hint": "Đường dẫn này sai, đã được thay hoặc đã bị thu hồi. Hãy xin trung tâm đường dẫn mới.",
    # what goes wrong with a request
    "error_404": "Không tìm thấy trang",
    "error_404_hint": "Địa chỉ này không có trong hệ thống giám sát.",
    "error_point": "Không tìm thấy điểm cầu",
    "error_point_hint": "Không có điểm cầu nào mang mã này trong danh sách.",
    "error_405": "Thao tác không được phép",
    "error_405_hint": "Địa chỉ này không nhận yêu cầu như vậy.",
    "error_500": "Lỗi của hệ thống giám sát",
    "error_500_hint": "Lỗi đã được ghi lại. Việc giám sát vẫn tiếp tục; hãy thử tải lại trang.",
    "error_503": "Tạm thời quá tải",
    "error_503_hint": "Quá nhiều màn hình đang mở. Hãy thử lại sau ít phút.",
    "error_other": "Yêu cầu không hợp lệ",
    "error_other_hint": "Hệ thống không xử lý được yêu cầu này.",
    # Check-in
    "checkin_too_many": "Gửi quá nhiều lần trong thời gian ngắn. Xin đợi vài giây.",
    "checkin_not_kept": "Chưa ghi nhận được. Trang sẽ tự gửi lại.",
    "checkin_merged": "Điểm cầu này ghép vào {host}: số liệu được báo tại đó.",
    "checkin_no_part": "Điểm cầu này không tham gia kết nối nên không báo số liệu.",
    "checkin_unreadable": "Nội dung gửi lên không đúng định dạng.",
    "checkin_wrong_field": "Có mục chưa đúng, xin kiểm tra lại.",
    "checkin_wrong_delegates": "Số đại biểu phải là số nguyên từ 0 đến 20.000.",
    "checkin_wrong_attendees": "Số người tham dự phải là số nguyên, không ít hơn số đại biểu, không quá 20.000.",
    "checkin_wrong_chair": "Chức danh người chủ trì dài quá 120 ký tự hoặc có ký tự lạ.",
    "checkin_wrong_note": "Ghi chú dài quá 500 ký tự hoặc có ký tự lạ.",
    "checkin": "Báo cáo của điểm cầu",
    "checkin_deadline": "Hạn báo cáo: {at}. Trước hạn được sửa và gửi lại.",
    "checkin_overdue": "Đã quá hạn báo cáo {at}: báo cáo gửi từ bây giờ được ghi là muộn.",
    "checkin_loading": "Đang tải…",
    "checkin_none": "Chưa báo cáo",
    "checkin_sending": "Đang gửi…",
    "checkin_waiting": "Chờ gửi ({n}): trang giữ lại và tự gửi khi có mạng",
    "checkin_waiting_open": "Chờ gửi ({n}): đừng đóng trang này, trang tự gửi khi có mạng",
    "checkin_kept": "Đã ghi nhận lúc {at}",
    "checkin_superseded": "Đã lưu lúc {at}, nhưng đang tính báo cáo được nhập sau đó ({by}).",
    "checkin_late": "muộn",
    "checkin_dirty": "có thay đổi chưa gửi",
    "checkin_picture": "Đã có hình",
    "checkin_sound": "Đã có tiếng",
    "checkin_delegates": "Đại biểu",
    "checkin_attendees": "Tổng số người tham dự",
    "checkin_people_hint": "Tổng số gồm cả đại biểu.",
    "checkin_chair": "Chủ trì tại điểm cầu",
    "checkin_chair_hint": "Chỉ ghi chức danh, không ghi họ tên.",
    "checkin_power": "Nguồn điện",
    "checkin_note": "Ghi chú",
    "checkin_send": "Gửi báo cáo",
    # Readiness and snapshots
    "readiness": "Sẵn sàng",
    "readiness_skip": "Tới danh sách điểm cầu",
    "readiness_blind": "Hệ thống giám sát không quan sát được từ {since}: kết nối của các điểm cầu là lần thấy cuối.",
    "readiness_one": "Điểm cầu sẵn sàng",
    "readiness_connected": "Đã kết nối",
    "readiness_reported": "Đã báo số đại biểu",
    "readiness_people": "Người dự",
    "readiness_trend": "Số điểm sẵn sàng theo thời gian",
    "readiness_report": "Báo cáo",
    "readiness_col_planned": "Kế hoạch",
    "readiness_col_expected": "Tham gia",
    "readiness_col_connected": "Đã kết nối",
    "readiness_col_ready_n": "Sẵn sàng",
    "readiness_col_reported": "Đã báo",
    "readiness_col_delegates": "Đại biểu",
    "readiness_col_hosted": "Nhận điểm ghép",
    "readiness_col_merged": "Ghép điểm",
    "readiness_col_without": "Không có điều kiện",
    "readiness_counting": "Điểm ghép được tính tại điểm mà người dân đến dự, không tính hai lần.",
    "readiness_by_district": "Còn thiếu theo địa bàn",
    "readiness_all_ready": "đủ",
    "readiness_remind": "Nhắc",
    "readiness_reminded": "đã nhắc {n} điểm chưa sẵn sàng.",
    "readiness_too_soon": "vừa được nhắc, có thể nhắc lại sau {wait}.",
    "readiness_failed": "chưa gửi được lời nhắc, xin thử lại.",
    "readiness_show": "Xem điểm thiếu",
    "readiness_in_table": "Xem cả {n} điểm trong bảng",
    "readiness_all": "Tất cả điểm cầu",
    "readiness_find": "Tìm theo tên, mã, huyện",
    "readiness_filter": "Lọc",
    "readiness_taking_part": "Đang tham gia",
    "readiness_not_ready": "Chưa sẵn sàng",
    "readiness_ready": "sẵn sàng",
    "readiness_late": "muộn",
    "readiness_late_only": "Báo muộn",
    "readiness_everything": "Cả điểm ghép và không kết nối",
    "readiness_any_tier": "Mọi cấp",
    "readiness_any_district": "Mọi địa bàn",
    "readiness_district": "Địa bàn",
    "readiness_point": "Điểm cầu",
    "readiness_state": "Tình trạng",
    "readiness_told_at": "Báo lúc",
    "readiness_rows": "{n} điểm",
    "readiness_sum": "Tổng cộng",
    "readiness_merged": "ghép vào {host}",
    "readiness_no_coverage": "không có điều kiện kết nối",
    "readiness_keys": "Bàn phím: / để tìm, mũi tên để chọn, Enter để mở.",
    "forecast_met": "Đã đạt mục tiêu {target} điểm.",
    "forecast_at": "Mục tiêu {target} điểm: dự kiến đạt lúc {at}.",
    "forecast_late": "Mục tiêu {target} điểm: dự kiến đến {at} mới đạt, sau hạn báo cáo.",
    "forecast_none": "Mục tiêu {target} điểm: chưa dự báo được lúc đạt.",
    "snapshot": "Bản chốt số",
    "snapshot_take": "Chốt số liệu",
    "snapshot_sure": "Chốt số liệu lúc này? Bản chốt được đánh số và không sửa được.",
    "snapshot_yes": "Chốt",
    "snapshot_number": "Bản",
    "snapshot_at": "Lúc",
    "snapshot_by": "Người chốt",
    "snapshot_automatic": "tự động đúng hạn",
    "snapshot_none": "Chưa có bản chốt nào. Đúng hạn báo cáo hệ thống tự chốt một bản.",
    "snapshot_taken": "Chốt lúc {at}",
    "snapshot_forged": "Nội dung không khớp mã SHA-256: bản này đã bị sửa sau khi chốt.",
    "snapshot_blind": "Lúc chốt hệ thống không quan sát được: kết nối là lần thấy cuối.",
    "snapshot_genuine": "Nguyên vẹn: nội dung khớp mã SHA-256 lúc chốt.",
    "snapshot_by_district": "Theo địa bàn",
    "snapshot_verify": "Tải tệp số liệu về và chạy lệnh dưới đây: kết quả phải trùng mã này.",
    "snapshot_since": "Thay đổi từ lúc chốt đến {at}",
    "snapshot_then": "Lúc chốt",
    "snapshot_now": "Bây giờ",
    "snapshot_more": "và {n} điểm nữa",
    "snapshot_same": "Chưa có điểm nào thay đổi.",
    "snapshot_absent": "không có trong danh sách",
    "snapshot_delegates": "{n} đại biểu",
    "error_snapshot": "Không có bản chốt này",
    "error_snapshot_forged": "Bản chốt đã bị sửa",
    "error_snapshot_hint": "Số của bản chốt không đúng.",
    # Many check-ins by a file
    "upload": "Nhập số liệu từ Excel",
    "upload_template": "Tải tệp mẫu có sẵn danh sách điểm cầu",
    "upload_steps": "Điền tệp mẫu rồi gửi lên; hàng để trống được bỏ qua. Chưa có gì được ghi nhận trước khi xác nhận.",
    "upload_limits": "Tệp .xlsx tối đa {size} MB, {rows} hàng, không chứa công thức.",
    "upload_file": "Chọn tệp",
    "upload_send": "Xem trước thay đổi",
    "upload_reading": "Đang đọc tệp…",
    "upload_failed": "Chưa gửi được tệp, xin thử lại.",
    "upload_busy": "Máy chủ đang đọc tệp khác, xin thử lại sau một phút.",
    "upload_gone": "Bản xem trước đã hết hạn: xin gửi lại tệp.",
    "upload_moved": "Số liệu đã thay đổi sau khi xem trước: xin xem lại rồi xác nhận.",
    "upload_kept": "Đã ghi nhận {n} điểm cầu.",
    "upload_confirm": "Ghi nhận {n} điểm cầu",
    "upload_nothing": "Tệp không có số liệu nào khác với số liệu đang có.",
    "upload_errors": "{n} lỗi: chưa có gì được ghi nhận. Xin sửa tệp rồi gửi lại.",
    "upload_more": "và {n} mục nữa",
    "upload_row": "Hàng {n}",
    "upload_changed": "{n} điểm cầu có thay đổi",
    "upload_point": "Điểm cầu",
    "upload_before": "Đang có",
    "upload_after": "Sẽ là",
    "upload_name": "Tên điểm cầu",
    "upload_delegates": "{n} đại biểu",
    "upload_attendees": "{n} người dự",
    "upload_picture": "có hình",
    "upload_sound": "có tiếng",
    "coordinator": "Điều phối địa bàn",
    "coordinator_ready": "sẵn sàng",
    "coordinator_up": "đang kết nối",
    "coordinator_reported": "đã báo số liệu",
    "coordinator_delegates": "đại biểu",
    "coordinator_attendees": "người tham dự",
    "coordinator_at": "Số liệu lúc {at}.",
    "coordinator_is_ready": "sẵn sàng",
    "coordinator_find": "Tìm điểm cầu",
    "coordinator_missing": "Chỉ hiện điểm chưa sẵn sàng",
    "coordinator_none": "Không có điểm cầu nào như vậy.",
    "coordinator_stale": "Mất kết nối với trung tâm: số liệu chưa được cập nhật.",
    "coordinator_not_yours": "Điểm cầu này không thuộc địa bàn của đường dẫn này.",
    # who is let in
    "login": "Đăng nhập",
    "login_name": "Tên tài khoản",
    "login_password": "Mật khẩu",
    "login_wrong": "Sai tên tài khoản hoặc mật khẩu.",
    "login_wait": "Đã thử sai quá nhiều lần. Hãy thử lại sau {wait}.",
    "login_again": "Trang đăng nhập đã để quá lâu. Hãy đăng nhập lại.",
    "login_nobody": "Hệ thống chưa có tài khoản nào. Trên máy chủ, người quản trị tạo tài khoản đầu tiên bằng lệnh:",
    "login_wall": "Màn hình chỉ để xem được mở bằng đường dẫn riêng, do người quản trị cấp.",
    "logout": "Đăng xuất",
    "nav": "Các trang",
    "nav_board": "Bảng theo dõi",
    "nav_readiness": "Sẵn sàng",
    "nav_incidents": "Sự cố",
    "nav_snapshots": "Bản chốt số liệu",
    "nav_upload": "Nhập từ Excel",
    "nav_deliveries": "Tin đã gửi",
    "nav_silences": "Tắt báo động",
    "nav_audit": "Nhật ký",
    "access_forbidden": "Không có quyền",
    "access_forbidden_hint": "Tài khoản này không được làm việc đó, hoặc trang đã để quá lâu: hãy tải lại rồi thử lại.",
    "access_unknown": "Cần đăng nhập",
    "access_unknown_hint": "Phiên làm việc đã hết hạn hoặc chưa đăng nhập. Chưa có gì được thay đổi.",
    "access_store": "Chưa truy cập được kho dữ liệu",
    "access_store_hint": "Yêu cầu chưa được ghi nhận. Việc giám sát vẫn tiếp tục; hãy thử lại sau ít giây.",
    "audit": "Nhật ký thao tác",
    "audit_when": "Lúc",
    "audit_actor": "Ai",
    "audit_action": "Việc",
    "audit_target": "Đối tượng",
    "audit_detail": "Chi tiết",
    "audit_address": "Từ địa chỉ",
    "audit_refused": "từ chối",
    "audit_filter": "Lọc",
    "audit_none": "Không có mục nào.",
    "audit_older": "Cũ hơn",
    "refused_right": "không có quyền {right}",
    "refused_csrf": "yêu cầu không đến từ trang của hệ thống",
    "refused_link": "đường dẫn không có hiệu lực",
    "refused_credential": "{what} không có hiệu lực",
    "refused_password": "sai tên hoặc mật khẩu",
    "refused_wait": "thử quá nhiều lần",
    "refused_more": "thêm {count} lần trong một phút",
    "audit_newest": "Mới nhất",
    "deliveries": "Tin đã gửi tới các đơn vị",
    "deliveries_none": "Chưa có tin nào.",
    "delivery_desk": "Đơn vị trực",
    "delivery_state": "Tình trạng",
    "delivery_told": "Nội dung",
    "delivery_tries": "Các lần gửi",
    "delivery_all": "Tất cả",
    "delivery_summary": "tin gộp",
    "delivery_more": "và {count} việc khác",
    "silences": "Tắt báo động",
    "silences_hint": "Chỉ ngừng gửi tin; việc giám sát vẫn tiếp tục, điểm cầu mất kết nối vẫn hiện trên bảng.",
    "silences_none": "Không có gì đang được tắt báo động.",
    "silences_away": "Chưa nghe được Alertmanager nào: danh sách dưới đây là lần nghe gần nhất.",
    "silence_new": "Tắt báo động mới",
    "silence_what": "Của",
    "silence_id": "Mã",
    "silence_from": "Từ (để trống: ngay bây giờ)",
    "silence_hours": "Trong",
    "silence_why": "Lý do",
    "silence_by": "Người đặt",
    "silence_until": "Đến",
    "silence_state": "Tình trạng",
    "silence_set": "Tắt báo động",
    "silence_end": "Bật lại ngay",
    "silence_on": "Đang tắt báo động: {count}",
    "silence_no_place": "Không có {what} mã “{id}”.",
    "silence_no_reason": "Xin ghi lý do.",
    "silence_no_span": "Thời gian không hợp lệ: bắt đầu trong 7 ngày tới, kéo dài không quá 24 giờ.",
    "silence_no_alertmanager": "Không Alertmanager nào nhận. Chưa có gì được tắt; xin thử lại.",
}

SCOPES = {"node": "Nút mạng hoặc điện", "district": "Huyện", "point": "Điểm cầu"}
"""Of what a silence may be."""
SILENCE_STATES = {"active": "đang tắt", "pending": "chờ tới giờ", "expired": "đã hết"}
MESSAGE_STATES = {
    "pending": "đang gửi",
    "sent": "đã gửi",
    "delivered": "đã tới nơi",
    "failed": "không gửi được",
}
CHANNELS = {"sms": "SMS", "zalo": "Zalo", "email": "Email"}
OUTCOMES = {
    "accepted": "đã nhận",
    "delivered": "đã tới nơi",
    "refused": "từ chối",
    "failed": "lỗi",
}
KINDS = {
    "opened": "Mới",
    "updated": "Thay đổi",
    "resolved": "Đã xong",
    "retracted": "Rút lại",
    "escalated": "Báo lên cấp trên",
}
"""What a notice tells."""

ACTIONS = {
    "sign_in": "đăng nhập",
    "sign_out": "đăng xuất",
    "refused": "truy cập",
    "link": "mở đường dẫn",
    "check_in": "báo số liệu",
    "snapshot": "chốt số liệu",
    "remind": "nhắc địa bàn",
    "reload": "nạp lại cấu hình",
    "acknowledge": "tiếp nhận sự cố",
    "silence": "tắt báo động",
    "silence.end": "bật lại báo động",
    "account.add": "thêm tài khoản",
    "account.password": "đổi mật khẩu",
    "account.role": "đổi vai trò",
    "account.disable": "khóa tài khoản",
    "account.enable": "mở lại tài khoản",
    "account.rehash": "làm mới mã băm mật khẩu",
    "token.add": "thêm khóa API",
    "token.revoke": "thu hồi khóa API",
}
"""What stands in the audit trail, as people read it; what is not here is shown as it is kept."""

WHO = {
    Role.WALL: "chỉ xem",
    Role.ORGANIZER: "ban tổ chức",
    Role.TECHNICIAN: "tổ kỹ thuật",
    Role.ADMINISTRATOR: "quản trị",
}

STATES = {
    PointState.UP: "Kết nối tốt",
    PointState.DEGRADED: "Suy giảm",
    PointState.DOWN: "Mất kết nối",
    PointState.UNKNOWN: "Chưa rõ",
    PointState.NOT_EXPECTED: "Không tính",
}

SEEN = {
    PointState.UP: "đã kết nối",
    PointState.DEGRADED: "kết nối chưa tốt",
    PointState.DOWN: "mất kết nối",
    PointState.UNKNOWN: "chưa rõ trạng thái",
    PointState.NOT_EXPECTED: "không tính vào điểm danh",
}
"""How a point's state is told to the people who sit there."""

CAUSES = {
    Cause.NONE: "",
    Cause.NO_EVIDENCE: "chưa có số liệu",
    Cause.LOST_CONNECTION: "không trả lời",
    Cause.LOST_SIGNALLING: "mất báo hiệu",
    Cause.LOST_PICTURE: "mất tín hiệu hình",
    Cause.LOST_SOUND: "mất tiếng",
    Cause.NOT_JOINED: "chưa vào phòng họp",
    Cause.POWER_LOST: "mất điện",
    Cause.FLAPPING: "chập chờn",
    Cause.LOSS: "mất gói nhiều",
    Cause.JITTER: "độ trễ dao động",
    Cause.BLIND: "hệ thống giám sát mất tầm nhìn",
    Cause.MERGED: "ghép điểm",
    Cause.NO_COVERAGE: "không có điều kiện kết nối",
}

INCIDENTS = {
    Tree.NETWORK: "Sự cố mạng: {names}",
    Tree.POWER: "Mất điện: {names}",
    Tree.SITE: "Tại điểm cầu: {names}",
}
"""What an incident is, by the tree of its cause."""

INCIDENT_STATES = {
    IncidentState.OPEN: "đang diễn ra",
    IncidentState.RECOVERING: "đang hồi phục",
    IncidentState.RESOLVED: "đã khắc phục",
    IncidentState.MERGED: "đã gộp vào sự cố khác",
    IncidentState.RETRACTED: "đã rút lại",
}

SURE = {
    Certainty.CERTAIN: "chắc chắn {percent}",
    Certainty.PROBABLE: "nhiều khả năng {percent}",
    Certainty.UNDETERMINED: "chưa rõ nguyên nhân",
}

SURE_BRIEFLY = {
    Certainty.CERTAIN: "chắc {percent}",
    Certainty.PROBABLE: "có lẽ {percent}",
    Certainty.UNDETERMINED: "chưa rõ",
}
"""The same where there is little room."""

CHANGES = {
    Change.OPENED: "Phát hiện: {points}, {sure}",
    Change.GREW: "Lan rộng: {points}",
    Change.SHRANK: "Thu hẹp: còn {points}",
    Change.REASSESSED: "Đánh giá lại: {sure}",
    Change.RECOVERING: "Đang hồi phục: còn {points}",
    Change.REOPENED: "Tái diễn: {points}, {sure}",
    Change.RESOLVED: "Đã khắc phục: mọi điểm đã kết nối lại",
    Change.MERGED: "Gộp vào:",
    Change.RETRACTED: "Rút lại: không phải “{cause}”",
    Change.ACKNOWLEDGED: "Đã tiếp nhận: {by}",
    Change.ESCALATED: "Chưa ai tiếp nhận, báo lên: {by}",
}
"""A line of an incident's timeline; after the last two stands what took its place."""
REPLACED_BY = {Change.RETRACTED: "mà là:"}
"""What leads over to it, where the line itself does not."""

FACTS = {
    (FactKind.DOWN, ""): "{count} trên {of} điểm quan sát được bên dưới đang mất kết nối",
    (FactKind.ON_BATTERY, PowerSource.UPS): "{count} bộ lưu điện (UPS) báo mất điện lưới",
    (FactKind.ON_BATTERY, PowerSource.NUT): "{count} máy chủ bộ lưu điện (NUT) báo mất điện lưới",
    (FactKind.ON_BATTERY, PowerSource.BROWSER): "{count} máy tính tại điểm cầu chuyển sang chạy pin",
    (FactKind.ON_BATTERY, PowerSource.GASP): "{count} modem báo mất nguồn trước khi tắt",
    (FactKind.ON_BATTERY, ""): "{count} điểm báo mất điện lưới",
    (FactKind.ON_MAINS, PowerSource.UPS): "{count} bộ lưu điện (UPS) báo vẫn có điện lưới",
    (FactKind.ON_MAINS, PowerSource.NUT): "{count} máy chủ bộ lưu điện (NUT) báo vẫn có điện lưới",
    (FactKind.ON_MAINS, PowerSource.BROWSER): "{count} máy tính tại điểm cầu vẫn cắm điện",
    (FactKind.ON_MAINS, PowerSource.GASP): "{count} modem không báo mất nguồn",
    (FactKind.ON_MAINS, ""): "{count} điểm báo vẫn có điện lưới",
    (FactKind.NODE, "up"): "Chính thiết bị này vẫn trả lời",
    (FactKind.NODE, "down"): "Chính thiết bị này không trả lời",
    (FactKind.NODE, ""): "Trạng thái của chính thiết bị này",
    (FactKind.SURVIVOR, "ups"): "{count} điểm bên dưới vẫn kết nối nhờ bộ lưu điện",
    (FactKind.SURVIVOR, "backup"): "{count} điểm bên dưới vẫn kết nối, có đường dự phòng",
    (FactKind.SURVIVOR, ""): "{count} điểm bên dưới vẫn kết nối, không rõ nhờ đâu",
    (FactKind.UNOBSERVED, ""): "{count} trên {of} điểm bên dưới chưa quan sát được",
    (FactKind.TOGETHER, ""): "{count} điểm rơi cùng lúc dù danh sách ghi ở nơi khác: cần kiểm tra lại danh sách",
    (FactKind.NEIGHBOURS, Tree.NETWORK): "{count} trên {of} điểm khác cùng nút mạng vẫn kết nối tốt",
    (FactKind.NEIGHBOURS, Tree.POWER): "{count} trên {of} điểm khác cùng trạm biến áp vẫn kết nối tốt",
    (FactKind.NEIGHBOURS, ""): "{count} trên {of} điểm lân cận vẫn kết nối tốt",
    (FactKind.CASCADE, ""): "{count} thiết bị mạng ngừng theo vì mất nguồn từ nút này",
    (FactKind.RUNNER_UP, ""): "Cách giải thích tốt thứ hai",
}
"""A fact as a sentence, by its kind and its source; with no source, whatever the source."""

CHECK_STATES = {
    CheckState.UP: STATES[PointState.UP],
    CheckState.DOWN: "Không trả lời",
    CheckState.UNKNOWN: STATES[PointState.UNKNOWN],
}

TIERS = {
    Tier.PROVINCE: "Tỉnh ủy",
    Tier.AGENCY: "Cơ quan cấp tỉnh",
    Tier.DISTRICT: "Huyện, thị xã, thành phố",
    Tier.COMMUNE: "Xã, phường, thị trấn",
    Tier.VILLAGE: "Thôn, bản, tổ dân phố",
}

TIERS_SHORT = {
    Tier.PROVINCE: "Tỉnh ủy",
    Tier.AGENCY: "Cơ quan tỉnh",
    Tier.DISTRICT: "Cấp huyện",
    Tier.COMMUNE: "Cấp xã",
    Tier.VILLAGE: "Thôn, bản",
}

MODES = {
    Mode.TWO_WAY: "Họp trực tuyến hai chiều",
    Mode.WATCH: "Xem phát trực tiếp",
    Mode.MERGED: "Ghép điểm",
    Mode.NO_COVERAGE: "Không có điều kiện kết nối",
}

ROLES = {"host": "Điểm cầu chủ trì", "speaker": "Điểm cầu phát biểu"}

LAYERS = {
    Layer.REACHABLE: "Đường truyền",
    Layer.SIGNALLING: "Báo hiệu",
    Layer.MEDIA: "Hình và tiếng",
    Layer.JOINED: "Vào phòng họp",
    Layer.POWER: "Nguồn điện",
}

POWER_SOURCES = {UPS: "theo bộ lưu điện", BROWSER: "theo máy tính tại điểm cầu"}

OPINIONS = ((4.3, "rất tốt"), (4.0, "tốt"), (3.6, "trung bình"), (3.1, "kém"), (0.0, "rất kém"))
"""Mean opinion scores from which on a conversation is so good (ITU-T G.107, annex B), the best first."""

NODE_KINDS = {
    NodeKind.CORE: "nút lõi",
    NodeKind.AGGREGATION: "nút gom",
    NodeKind.ACCESS: "nút truy nhập",
    NodeKind.SUBSTATION: "trạm biến áp",
    NodeKind.FEEDER: "lộ đường dây",
    NodeKind.TRANSFORMER: "trạm biến áp phân phối",
}

HOLDS = {
    Hold.CONFIRMING: "có gói mất, đang xác minh",
    Hold.RECOVERING: "đã có trả lời, đang xác minh hồi phục",
}

FAILURES = {
    Failure.TIMEOUT: "hết thời gian chờ, không có trả lời",
    Failure.REFUSED: "thiết bị từ chối kết nối: cổng không mở",
    Failure.RESET: "kết nối bị cắt giữa chừng",
    Failure.UNREACHABLE: "thiết bị mạng báo không có đường tới",
    Failure.TTL_EXCEEDED: "gói tin đi vòng trong mạng",
    Failure.RESOLVE: "không phân giải được tên miền",
    Failure.TLS: "lỗi mã hóa hoặc chứng thư TLS",
    Failure.PROTOCOL: "trả lời không đúng giao thức",
    Failure.STATUS: "trả lời không như mong đợi",
    Failure.STALLED: "luồng phát đứng yên, không có dữ liệu mới",
    Failure.BLACK: "hình đen",
    Failure.FROZEN: "hình đứng yên",
    Failure.SILENT: "không có tiếng",
    Failure.SEND: "máy giám sát không gửi được gói",
    Failure.INTERNAL: "lỗi phần mềm giám sát",
}

DISTRICT_TYPES = ("Huyện ", "Thị xã ", "Thành phố ")
"""Left out where a tile's name must be short."""

DAY_S = 86_400


def count(number: int) -> str:
    """A whole number with dots between thousands: ``1.018``."""
    return f"{number:,}".replace(",", ".")


def decimal(number: float, digits: int = 1) -> str:
    """A number with a decimal comma; a dash when there is none."""
    return f"{number:.{digits}f}".replace(".", ",") if isfinite(number) else "–"


def milliseconds(seconds: float) -> str:
    """A span as milliseconds, with as many digits as mean something: ``0,05 ms``, ``12,3 ms``, ``340 ms``."""
    ms = seconds * 1000
    digits = 2 if ms < 1 else 1 if ms < 100 else 0
    return f"{decimal(ms, digits)} ms" if isfinite(ms) else "–"


def percent(ratio: float) -> str:
    """A ratio as a percentage: ``2,5 %``."""
    return f"{decimal(ratio * 100)} %" if isfinite(ratio) else "–"


def chance(probability: float) -> str:
    """A probability as a whole percentage, rounded down, so that nothing is ever quite sure: ``99 %``."""
    return f"{int(probability * 100 + 1e-9)} %"


def span(seconds: float) -> str:
    """A configured span: whole minutes as minutes, else seconds."""
    if seconds >= 60 and seconds % 60 == 0:
        return TEXT["minutes"].format(n=int(seconds // 60))
    return TEXT["seconds"].format(n=f"{seconds:g}".replace(".", ","))


def time_of_day(at: float, zone: ZoneInfo) -> str:
    """The hour and minute of an instant: ``07:30``."""
    return f"{datetime.fromtimestamp(at, zone):%H:%M}"


def moment(at: float, now: float, zone: ZoneInfo) -> str:
    """An instant as people say it: ``07:12:03``, with the day where it is not today's; a dash for none at all."""
    if not isfinite(at):
        return "–"
    local, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%H:%M} {local:%d/%m}" if local.year == today.year else f"{local:%H:%M} {local:%d/%m/%Y}"


def appointment(at: float, now: float, zone: ZoneInfo) -> str:
    """An instant that was agreed on: ``07:30``, with the day where it is not today's."""
    local, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%H:%M} ngày {local:%d/%m/%Y}"


def countdown(left_s: float) -> str:
    """A span that runs down: ``00:41:12``, with days before it where there are any."""
    whole = max(0, int(left_s))
    clock = f"{whole % DAY_S // 3600:02}:{whole % 3600 // 60:02}:{whole % 60:02}"
    return TEXT["days"].format(days=whole // DAY_S, clock=clock) if whole >= DAY_S else clock


POWER_SUPPLIES = {
    PowerSupply.GRID: "điện lưới",
    PowerSupply.UPS: "bộ lưu điện (UPS)",
    PowerSupply.GENERATOR: "máy phát điện",
}
VOICES = {
    Voice.POINT: "điểm cầu báo",
    Voice.COORDINATOR: "điều phối báo thay",
    Voice.USER: "ban tổ chức nhập",
}
CHAIRS = {
    Tier.PROVINCE: ("Bí thư Tỉnh ủy", "Phó Bí thư Tỉnh ủy", "Chủ tịch UBND tỉnh", "Phó Chủ tịch UBND tỉnh"),
    Tier.AGENCY: ("Giám đốc", "Phó Giám đốc", "Trưởng ban", "Phó Trưởng ban", "Bí thư Đảng ủy", "Hiệu trưởng"),
    Tier.DISTRICT: ("Bí thư", "Phó Bí thư Thường trực", "Chủ tịch UBND", "Phó Chủ tịch UBND"),
    Tier.COMMUNE: ("Bí thư Đảng ủy", "Phó Bí thư Đảng ủy", "Chủ tịch UBND", "Phó Chủ tịch UBND", "Chủ tịch MTTQ"),
    Tier.VILLAGE: (
        "Bí thư Chi bộ",
        "Trưởng thôn",
        "Trưởng bản",
        "Tổ trưởng tổ dân phố",
        "Trưởng ban công tác Mặt trận",
    ),
}
"""Who usually chairs at a point of a tier, by title: proposed, others may be typed."""
COLUMNS = {
    Column.POINT: "Mã điểm cầu",
    Column.PICTURE: "Hình",
    Column.SOUND: "Tiếng",
    Column.DELEGATES: "Đại biểu",
    Column.ATTENDEES: "Người tham dự",
    Column.CHAIR: "Chủ trì (chức danh)",
    Column.POWER: "Nguồn điện",
    Column.NOTE: "Ghi chú",
}
FAULTS = {
    Fault.NO_HEADING: "Không thấy hàng tiêu đề có cột Mã điểm cầu và các cột số liệu.",
    Fault.REPEATED_HEADING: "cột này có hai lần",
    Fault.UNKNOWN_POINT: "không có điểm cầu mã “{written}”",
    Fault.NO_PART: "điểm cầu “{written}” không tham gia kết nối",
    Fault.REPEATED: "điểm cầu “{written}” đã có ở hàng {detail}",
    Fault.NO_POINT: "thiếu mã điểm cầu",
    Fault.FORMULA: "“{written}” là công thức, xin ghi giá trị",
    Fault.NOT_A_NUMBER: "“{written}” không phải số nguyên",
    Fault.OUT_OF_BOUNDS: "“{written}” ngoài khoảng {detail}",
    Fault.FEWER: "“{written}” ít hơn số đại biểu",
    Fault.NOT_YES_OR_NO: "“{written}”: xin ghi x hoặc để trống",
    Fault.UNKNOWN_SUPPLY: "“{written}”: xin ghi điện lưới, bộ lưu điện hoặc máy phát điện",
    Fault.BAD_TEXT: "có ký tự không hiển thị được",
    Fault.TOO_LONG: "dài hơn {detail} ký tự",
}
FAULTS_NEAR = {
    Fault.UNKNOWN_POINT: "không có điểm cầu mã “{written}”, có phải “{detail}”?",
    Fault.NO_PART: "điểm cầu “{written}” ghép vào {detail}: báo tại đó",
}
"""Where it is known what was meant."""
UNREADABLE = {
    "not_xlsx": "Tệp không phải Excel (.xlsx), hoặc có mật khẩu.",
    "too_large": "Tệp lớn hơn {n} MB.",
    "bomb": "Tệp bung ra quá lớn, không đọc được.",
    "macros": "Tệp chứa macro: xin lưu lại dạng .xlsx.",
    "too_many_rows": "Tệp có quá {n} hàng.",
    "too_many_columns": "Tệp có quá {n} cột.",
    "broken": "Tệp Excel bị hỏng ({n}).",
}
"""Why a file is not read, by the reasons of :mod:`monitor.workbook`."""
